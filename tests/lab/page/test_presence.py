"""Presence, in a clock of our own."""

from prunelab.lab.page.presence import FAREWELL, SILENCE, Presence


def test_a_script_without_a_page_is_never_deserted():
    assert not Presence().deserted(1e9)


def test_a_page_that_says_goodbye_is_missed_after_a_minute():
    presence = Presence()
    presence.here("a", 0)
    presence.gone("a", 10)
    assert not presence.deserted(10 + FAREWELL) and presence.deserted(11 + FAREWELL)


def test_a_reload_and_a_second_tab_keep_a_run_going():
    presence = Presence()
    presence.here("a", 0)
    presence.here("b", 0)
    presence.gone("a", 10)
    assert not presence.deserted(100)
    presence.gone("b", 100)
    presence.here("c", 101)
    assert not presence.deserted(101 + FAREWELL + 1)
    presence.gone("never seen", 102)
    assert not presence.deserted(102 + FAREWELL + 1)


def test_a_page_is_awaited_from_its_visitors_arrival_until_it_says_that_it_is_there():
    presence = Presence()
    assert not presence.awaited and not presence.here("of a notebook", 0)
    presence.expect(1)
    assert presence.awaited and presence.here("a", 2)
    assert not presence.awaited and not presence.here("a", 3)


def test_silence_counts_later_than_a_farewell():
    presence = Presence()
    presence.here("a", 0)
    assert not presence.deserted(SILENCE) and presence.deserted(SILENCE + 1)
    presence.here("a", SILENCE + 2)
    assert not presence.deserted(SILENCE + 3)
