"""A Mesos cluster inside one process: the embedded default, the demo and the test bed.

A master that speaks Mesos' v1 scheduler API over HTTP on a loopback port, and agents that run
tasks as processes or Docker containers of this machine, each agent with a host name, a loopback
address (127.0.1.N) and resources of its own. A framework that runs on it runs on a real Mesos. It
refuses to be one: it schedules nothing across machines, keeps nothing beyond its own life,
and is reached from this machine only, by programs of the account that it runs as (`peer`): tasks
are that account's, too. Cpus and memory are counted; only containers are held to them.

The way of a call:

    http       connections
    server     paths, and the framing of streams         endpoints, operator_api   what the master
    calls      well-formed, or refused in Mesos' words   remembers, in two vocabularies
    master     meaning of calls; frameworks              offering -> allocator   offers, fairness
      |        (pure: input, now -> effects)             tasking -> validation   tasks, updates
    cluster    carries the effects out; the clock        faults      what tests let go wrong
    agent      life of tasks; updates until acknowledged
    processes  commands (interface: executor)
    launcher   a process that makes processes of them, and leaves nothing (launcher_process)
    docker_tasks -> docker_options (pure), docker_engine   containers that leave nothing

`spawn` starts it as a child process and imports no server; `serving` runs it in the foreground.

Where it differs from a real master (Apache Mesos 1.11.0), as far as is known:

- JSON only; application/x-protobuf is refused with 415. No TLS, no credentials, and roles,
  principals and users are believed. Weights and quotas do not exist.
- Agents are dealt out in the order of their numbers, not at random, and nothing waits for an
  executor to be fetched and registered: RUNNING comes after milliseconds instead of 0.1 s.
- Unreserved resources only: RESERVE, UNRESERVE, CREATE, DESTROY and the like are passed over
  without an answer. No inverse offers, maintenance, draining or operation feedback.
- Command tasks and Docker tasks only. A task with an executor of its own is answered with
  TASK_ERROR, a task group too. `uris` make a command fail, since nothing is fetched.
  Health checks, checks, `max_completion_time` and resource limits are ignored.
- A container is removed right after it has ended, not after 6 hours. If it cannot be started, the
  task fails at once instead of after 5 s, and the message tells the engine's reason after Mesos'
  words. Of the options of `docker run`, those in `docker_options` are possible; another one fails
  the task by its name. Volume drivers and a container's own `uris` are not.
- Containers of a cluster that is killed (-9) go on until they end by themselves; those that do not
  are removed by the next cluster on this machine that has a Docker task, or by `mrunkit gc`, which
  removes its directory, too. Until then they are found by the label `mrunkit.local`, which holds
  HOST/PID/START of the cluster's process.
- All containers on the host's network have that network, not their agent's address alone.
- SHUTDOWN ends a command task as KILL does; MESSAGE and REQUEST are accepted and go nowhere.
- Sandboxes are folders side by side in one temporary directory and vanish with the cluster; the
  agents themselves listen nowhere, so there are no pages and no files to browse on port 5051.
- All agents share one file system, /dev/shm, network and /proc: ports of two agents collide, a task
  sees those of other agents, and ranks of different agents talk through shared memory, as fast as
  those of one. Where the kernel lets, /proc and /dev/shm are not the machine's, but the cluster's.
- A lost agent is removed after 75 s by a timer, not by missed pings; its tasks are dead unless the
  fault says that they survive. An agent never comes back under another id.
- /state leaves out most flags, /metrics/snapshot does not exist, and of the operator API there is
  GET_HEALTH, GET_VERSION, GET_MASTER, GET_EXECUTORS, GET_AGENTS, GET_TASKS, GET_FRAMEWORKS and
  GET_STATE, and /teardown.
"""
