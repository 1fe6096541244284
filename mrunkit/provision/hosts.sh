#!/bin/sh
# What a host has and runs, as NAME=VALUE lines; what it has not, it does not tell. Reads only.
# Arguments: the share, the image (may be empty), the directory of MPICH.
share=$1 image=$2
LC_ALL=C
export LC_ALL
PATH=$3/bin:$PATH:/usr/sbin:/sbin

# Docker's socket belongs to root; where sudo would ask, nothing is told of it.
ask_docker() {
  if [ -w /var/run/docker.sock ]; then docker "$@"; else sudo -n docker "$@"; fi
}

tell() { [ -n "$2" ] && printf '%s=%s\n' "$1" "$2"; }

# shellcheck source=/dev/null
tell os "$(. /etc/os-release && echo "$PRETTY_NAME")"
tell kernel "$(uname -r)"
tell cpus "$(getconf _NPROCESSORS_ONLN)"
tell memory "$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)"
tell disk "$(df -Pm / | awk 'NR == 2 { print $4 }')"
tell mpich "$(mpiexec.hydra --version 2>/dev/null | awk '$1 == "Version:" { print $2 }')"
tell share "$(awk -v at="$share" '$2 == at { from = $1 } END { print from }' /proc/mounts)"
[ -d "$share" ] && tell share_here yes
tell docker "$(ask_docker version --format '{{.Server.Version}}' 2>/dev/null)"
tell swarm "$(ask_docker info --format \
  '{{.Swarm.LocalNodeState}}{{if .Swarm.ControlAvailable}} manager{{end}}' 2>/dev/null)"
[ -n "$image" ] && tell image "$(ask_docker image inspect --format '{{.Id}}' "$image" 2>/dev/null)"
for unit in mesos-master mesos-agent mesos-slave zookeeper; do
  case $(systemctl is-enabled "$unit" 2>/dev/null) in
    enabled | static) tell "$unit" "$(systemctl is-active "$unit")" ;;
  esac
done
tell end yes
