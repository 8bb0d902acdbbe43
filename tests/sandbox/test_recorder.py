"""The figures of the sandbox are exact, in whatever order it writes: tests of the promise count on them."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from braze_provider.sandbox.recorder import Recorder
from braze_provider.sandbox.store import Store

DAY = 86_400.0
KEYS = ("ada", "bob", "cy", "\ud800", "a\0b", 'q"\\u0000')

requests = st.lists(
    st.fixed_dictionaries(
        {
            "keys": st.lists(st.sampled_from(KEYS), unique=True),
            "campaign": st.sampled_from(("spring", "sum\0mer", "\ud801")),
            "label": st.sampled_from((None, "a", "b")),
            "days": st.sampled_from((0, 0, 1)),
            "then": st.sampled_from(
                ("answer", "answer and write", "leave open", "read", "answer the oldest")
            ),
        }
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(requests)
def test_all_figures_are_those_of_a_plain_list(asked):
    now = 0.0
    recorder = Recorder(Store(), lambda: now, lambda name, body: None, keep_bodies=False)
    received = defaultdict(list)
    waiting = []
    for one in asked:
        now += one["days"] * DAY
        receipt = recorder.arrive("/campaigns/trigger/send", "campaigns_trigger_send")
        receipt.campaign_id, receipt.send_id = one["campaign"], one["label"]
        receipt.content = f"campaign:{one['campaign']}"
        recorder.accept(receipt)
        recorder.deliver(receipt, one["keys"])
        for key in one["keys"]:
            received[key].append((receipt.index, one["campaign"], one["label"], int(now // DAY)))
        waiting.append(receipt)
        if one["then"] == "read":
            recorder.summary()
        elif one["then"] == "answer the oldest":
            recorder.answer(waiting.pop(0), 201)
        elif one["then"] != "leave open":
            recorder.answer(waiting.pop(), 201)
        if one["then"] == "answer and write":
            recorder.write()

    summary = recorder.summary()
    assert (summary["requests"], summary["accepted"]) == (len(asked), len(asked))
    assert summary["recipients"] == recorder.recipient_count == len(received)
    assert summary["messages"] == sum(len(each) for each in received.values())
    twice = Counter()
    unique = Counter()
    for each in received.values():
        contents = Counter(f"campaign:{campaign}" for _, campaign, _, _ in each)
        twice.update(content for content, count in contents.items() if count > 1)
        unique.update({("campaign", campaign, day) for _, campaign, _, day in each})
        unique.update({("send", campaign, label, day) for _, campaign, label, day in each if label})
    assert summary["duplicates_by_content"] == dict(twice)
    reached = Counter()
    for each in received.values():
        reached.update(("campaign", campaign, day) for _, campaign, _, day in each)
        reached.update(("send", campaign, label, day) for _, campaign, label, day in each if label)
    for (*thing, day), count in unique.items():
        repeats = recorder.repeats((*thing, f"1970-01-{day + 1:02}"))
        assert reached[(*thing, day)] - repeats == count
    shown = recorder.recipients()
    assert {key: [one["request"] for one in each] for key, each in shown.items()} == {
        key: [number for number, *_ in each] for key, each in received.items()
    }
    assert list(recorder.keys()) == sorted(received)
    for key in KEYS:
        for number in range(len(asked)):
            is_reached = any(number == one for one, *_ in received[key])
            assert recorder.reached(number, [key]) == ({key} if is_reached else set())
