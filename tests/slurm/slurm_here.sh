#!/usr/bin/env bash
# A real SLURM of one node on this machine, for the tests beside this file. Debian or Ubuntu, as root.
#   slurm_here.sh install       installs SLURM where it is missing; status 1 where that cannot be done
#   slurm_here.sh start DIR     starts munged, slurmctld and slurmd; their files lie in DIR, SLURM_CONF=DIR/slurm.conf
#   slurm_here.sh stop DIR      ends what start has started
set -euo pipefail

install() {
  if command -v slurmctld slurmd sbatch munged > /dev/null; then return 0; fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then return 1; fi
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge; } > /dev/null
}

start() {
  local dir host
  mkdir -p "$1/state" "$1/spool"
  dir=$(cd "$1" && pwd)
  host=$(hostname -s)
  cat > "$dir/slurm.conf" << CONF
ClusterName=here
SlurmctldHost=$host
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
KillWait=60
NodeName=$host CPUs=2 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
  if ! munge -n 2> /dev/null | unmunge > /dev/null 2>&1; then
    mkdir -p /run/munge && chown munge:munge /run/munge
    su -s /bin/sh munge -c "/usr/sbin/munged --pid-file=/run/munge/munged.pid"
    cp /run/munge/munged.pid "$dir/munged.pid"
  fi
  export SLURM_CONF="$dir/slurm.conf"
  slurmctld
  slurmd
  for _ in $(seq 60); do
    if [ "$(sinfo -h -o %T 2> /dev/null)" = idle ]; then return 0; fi
    sleep 1
  done
  echo "the node did not become idle: $(sinfo 2>&1); see $dir/*.log" >&2
  return 1
}

stop() {
  export SLURM_CONF="$1/slurm.conf"
  scancel --me 2> /dev/null || true
  for one in slurmd slurmctld munged; do
    if [ -f "$1/$one.pid" ]; then kill "$(cat "$1/$one.pid")" 2> /dev/null || true; fi
  done
}

"$@"
