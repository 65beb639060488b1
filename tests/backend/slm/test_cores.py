"""Who computes alone has all threads; who computes with others has a share."""

from backend.slm.cores import Cores


def test_threads_are_shared_out_among_those_who_compute():
    cores, has = Cores(4), {}
    cores.take("a", lambda threads: has.update(a=threads))
    assert has == {"a": 4}
    cores.take("b", lambda threads: has.update(b=threads))
    assert has == {"a": 2, "b": 2}
    cores.give_back("a")
    assert has["b"] == 4


def test_each_has_a_thread_however_many_there_are():
    cores, has = Cores(2), {}
    for name in "abc":
        cores.take(name, lambda threads, name=name: has.update({name: threads}))
    assert has == dict.fromkeys("abc", 1)
