"""From one run to many: what a sweep plans, where each run stands, and the launchers that make them.

Whatever the launcher, a run is made by the same child process (`child`), kept by the same pool (`pool`) and recorded
in the same folder; only where the next run comes from differs: a list (`local`, also inside every Slurm job) or a queue
in MongoDB (`queue`). `plan`, `state`, `pool` and `local` import no PyTorch: a status is quick and a Slurm job light.
"""
