// Run by MongoDB's image when its volume is new: Omniboard has a user of its own, for the runs' database and no other.
const name = process.env.MONGO_INITDB_DATABASE;
db.getSiblingDB(name).createUser({
  user: 'omniboard',
  pwd: process.env.OMNIBOARD_PASSWORD,
  roles: [{ role: 'readWrite', db: name }],
});
