"""A stand-in for Apache Mesos: a master and an agent that know each other and run nothing.

Mesos itself cannot be downloaded where the playbooks are tested. What the playbooks do to it
can be tested all the same: this takes the flags of Mesos 1.11 and refuses any other, reads the
files of credentials and refuses whoever has none, registers with ZooKeeper, registers agents
with their resources and attributes, refuses to recover an agent that has changed as Mesos does,
and answers the HTTP endpoints by which one sees all that. It makes no offers; an agent says that it
is busy if `standin-used` in its work directory tells cpus. Agents register
by HTTP, not by libprocess, so it does not mix with the real thing. Needs Python 3.9 and nothing
else.
"""
