'use strict';
// Loaded into Omniboard before it starts (node --require). Omniboard itself can neither choose the interface that it
// listens on, nor be told which columns a browser shows at first, nor refuse requests from other web sites, nor plot
// curves of two units on two axes. Its own login leaves out what is answered here.

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const net = require('net');
const path = require('path');

const HOST = process.env.HOST || '127.0.0.1';
const NAMES = ['localhost', ...(process.env.NAMES || '').toLowerCase().split(/[ ,]+/).filter(Boolean)];
const LOGIN = process.env.OMNIBOARD_LOGIN || '';
const OMNIBOARDS_OWN = {
  tags: 'omniboard.tags',
  notes: 'omniboard.notes',
  experiment_name: 'experiment.name',
  hostname: 'host.hostname',
};
const { layout, custom } = JSON.parse(fs.readFileSync(path.join(__dirname, 'columns.json'), 'utf8'));

const BUILD = path.join(path.dirname(process.argv[1] || ''), '..', 'web', 'build');

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  const isPort = typeof port === 'number' || typeof port === 'string';
  return isPort ? listen.call(this, Number(port), HOST, ...rest) : listen.call(this, port, ...rest);
};

const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, request, response, ...rest) {
  if (event !== 'request') return emit.call(this, event, request, response, ...rest);
  if (!isKnown(request)) {
    response.setHeader('WWW-Authenticate', 'Basic realm="Omniboard", charset="UTF-8"');
    return end(response, 401, 'text/plain', 'this Omniboard asks for a user and a password');
  }
  if (isForeign(request)) return end(response, 403, 'text/plain', 'requests from other web sites are refused');
  if (isPage(request)) return end(response, 200, 'text/html', page());
  if (isProgram(request)) return end(response, 200, 'application/javascript', program(request));
  if (isFile(request)) confine(response);
  return emit.call(this, event, request, response, ...rest);
};

function end(response, status, type, body) {
  response.writeHead(status, { 'Content-Type': `${type}; charset=utf-8` });
  response.end(body);
  return true;
}

// A web site that the user visits could otherwise read and delete runs: Omniboard lets every origin in. Whatever we are
// bound to, a site can point a name of its own at it, but not an address, nor a name that is not its own.
function isForeign(request) {
  const { host = '', origin } = request.headers;
  const name = host.toLowerCase().replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  const isOwn = origin === undefined || origin.replace(/^https?:\/\//, '') === host;
  return !isOwn || !(net.isIP(name) || NAMES.includes(name));
}

// Whether a request brings the USER:PASSWORD that it has to, if it has to; told in the same time for every wrong one.
function isKnown(request) {
  const hash = text => crypto.createHash('sha256').update(text).digest();
  const given = /^Basic (\S+)$/i.exec(request.headers.authorization || '');
  const login = Buffer.from(given ? given[1] : '', 'base64');
  return !LOGIN || crypto.timingSafeEqual(hash(login), hash(LOGIN));
}

function isFile(request) {
  return /\/api\/v\d+\/files\//.test(request.url);
}

// A picture of a run may be anybody's, and an SVG may hold a script: opened by itself, it shall run none here.
function confine(response) {
  response.setHeader('Content-Security-Policy', 'sandbox');
  response.setHeader('X-Content-Type-Options', 'nosniff');
}

function isProgram(request) {
  return request.method === 'GET' && /^\/static\/js\/main\.\w+\.js$/.test(request.url);
}

// The page's program, which gives its plot one axis, with a plot of two. The package's version is locked by its hash.
function program(request) {
  const text = fs.readFileSync(path.join(BUILD, request.url), 'utf8');
  const plot = /\{data:([\w$]+),layout:\{width:([\w$]+),height:([\w$]+),title:"Metrics Plot",yaxis:([\w$]+)\}\}/;
  return text.replace(plot, (_, ...found) => `(${twoAxes})(${found.slice(0, 4)})`);
}

// Losses are at most some nats, errors up to 100 %, perplexities up to thousands: losses keep the left axis.
function twoAxes(data, width, height, scale) {
  const UNITS = { error: 'error (%)', perplexity: 'perplexity' };
  const unit = trace => UNITS[trace.name.replace(/\.unsmoothed$/, '').split('_').pop()];
  const others = [...new Set(data.map(unit).filter(Boolean))];
  const isBoth = others.length > 0 && data.some(trace => !unit(trace));
  const right = { ...scale, title: others.join(', '), overlaying: 'y', side: 'right', showgrid: false };
  const moved = trace => ({ ...trace, yaxis: 'y2', name: `${trace.name} →` });
  return {
    data: data.map(trace => (isBoth && unit(trace) ? moved(trace) : trace)),
    layout: {
      width: Math.min(width, window.innerWidth - 20),
      height,
      legend: { orientation: 'h', y: -0.2 },
      margin: { t: 30 },
      xaxis: { automargin: true },
      yaxis: { ...scale, title: isBoth || !others.length ? 'loss (nats)' : others.join(', ') },
      ...(isBoth && { yaxis2: right }),
    },
  };
}

function isPage(request) {
  return request.method === 'GET' && /^\/[^/.?]+\/?(\?.*)?$/.test(request.url);
}

function page() {
  const html = fs.readFileSync(path.join(BUILD, 'index.html'), 'utf8');
  return html.replace('<head>', () => `<head><script>(${setDefaults})(${JSON.stringify(state())})</script>`);
}

// Omniboard keeps the layout of its table in the browser. This is the layout until the user changes it.
function setDefaults(state) {
  const key = 'default|RunsTable|1';
  if (localStorage.getItem(key) === null) localStorage.setItem(key, JSON.stringify(state));
}

function state() {
  const names = layout.map(column => column.name);
  const label = name => name.split('_').filter(Boolean).map(word => word[0].toUpperCase() + word.slice(1)).join(' ');
  return {
    columnOrder: layout.filter(column => column.width).map(column => column.name),
    columnWidths: Object.assign({}, ...layout.map(column => ({ [column.name]: column.width || 150 }))),
    dropdownOptions: layout.map(column => ({ label: label(column.name), value: column.name, selected: Boolean(column.width) })),
    columnNameMap: Object.assign({}, custom, OMNIBOARDS_OWN),
    metricAndCustomColumns: Object.keys(custom).map(name => ({ name, value: custom[name] })),
    sort: { start_time: 'DESC' },
  };
}
