"""A stand-in for Apache Mesos: a master and agents that run what frameworks launch.

Mesos itself cannot be downloaded where the playbooks are tested. What the playbooks do to it
can be tested all the same: this takes the flags of Mesos 1.11 and refuses any other, reads the
files of credentials and refuses whoever has none, registers with ZooKeeper, registers agents
with their resources and attributes, refuses to recover an agent that has changed as Mesos does,
and answers the HTTP endpoints by which one sees all that. What schedules and what runs tasks is
mrunkit's embedded cluster, taken apart into the hosts of a lab (`scheduling`, `running`); where
that differs from Mesos, mrunkit/local/__init__.py says. An agent says that it is busier than it is
if `standin-used` in its work directory tells cpus. Agents register by HTTP, not by libprocess, so
it does not mix with the real thing. Needs Python 3.11 and nothing else.
"""
