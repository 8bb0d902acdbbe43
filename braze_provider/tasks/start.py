"""A task that starts a job at Braze, and waits until the job is done."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from braze_provider._compat import AirflowFailException, conf
from braze_provider.api.errors import (
    BrazeConfigurationError,
    BrazeConflictError,
    BrazeError,
    BrazeRejectedError,
    BrazeRequestError,
    BrazeUncertainError,
    BrazeValidationError,
    Problem,
)
from braze_provider.api.outcomes import Repeat
from braze_provider.tasks.task import BrazeTask, model_of
from braze_provider.templating import may_be_templated
from braze_provider.triggers.look import Look, NeverComesError, Seen, glance, moment_has_come

if TYPE_CHECKING:
    from braze_provider._compat import Context
    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject
    from braze_provider.delivery.stop import StopSignal
    from braze_provider.tasks.arguments import Templated
    from braze_provider.tasks.jobs import JobNote, JobNotes

DAY_SECONDS = 86_400.0
APPEARS_WITHIN = 300.0
"""Seconds within which the effect of a request shows: the delay that Braze recommends between two requests of
which one needs the other's effect."""
MAX_STARTS = 6
"""How often a try asks Braze to start a job, if it is not known whether the job has begun."""
PAUSE_GRACE = 60.0
"""Seconds by which the end of a pause may be late."""

# What the task waits for: a job that shows, no other job that runs, the end of a pause, a job that is done.
_BEGUN, _IDLE, _PAUSE, _DONE = "begun", "idle", "pause", "done"


class BrazeStartOperator(BrazeTask):
    """
    Base of the operators that start a job at Braze and wait for it. All of them take its parameters.

    A *job* is what goes on at Braze after the request was answered, such as a sync, an export or a copy.

    **What a retry does.** It goes on waiting for the job that an earlier try has started. On Airflow 3.3 and
    newer, a note in Airflow's task state store says which job that is. Before, the retry looks at Braze for a
    job that began since the start of the Dag run. Only if there is no such job, it starts one. The same is
    done after a request without an answer, because Braze may have accepted it.

    **What a clear does.** A cleared task starts a new job, unless the one of an earlier try still runs.

    The wait ends in the same way with ``deferrable=True`` as without it. If ``timeout`` is over, or if the
    task is stopped, the error or the log says what was last seen. The job itself goes on at Braze.

    :param braze_conn_id: Id of the Airflow connection of type ``braze``. Default ``braze_default``.
        (templated)
    :param wait_for_completion: Whether the task waits until the job is done. Default True.
    :param poll_interval: Seconds, or a ``timedelta``, between two looks at Braze. Default 60.
    :param timeout: Seconds, or a ``timedelta``, after which the task gives up. Default: one day.
    :param deferrable: Whether the triggerer waits, so that the task takes no slot. Default: Airflow's
        ``default_deferrable``.
    """

    look: ClassVar[Look]
    """Looks whether the job is done. A function of a module, because the triggerer finds it by its name."""
    begun: ClassVar[Look | None] = None
    """Looks whether the job has begun. None: no look can tell."""
    idle: ClassVar[Look | None] = None
    """Looks whether no other job runs. None: only another request can tell."""
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """By argument: the values that it may have."""

    # After a conflict. Only the operators whose endpoint runs one at a time have it as an argument.
    if_running: Any = "fail"

    def __init__(
        self,
        *,
        braze_conn_id: Templated = "braze_default",
        wait_for_completion: bool = True,
        poll_interval: timedelta | float = 60.0,
        timeout: timedelta | float = DAY_SECONDS,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.braze_conn_id = braze_conn_id
        self.wait_for_completion = wait_for_completion
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.deferrable = deferrable
        self._last_seen = "nothing"
        self._stop: StopSignal | None = None
        # The end of a wait in the triggerer, by what was waited for. None: its time was over.
        self._came: dict[str, Seen | None] = {}
        # Requests to start the job that have had no answer.
        self._starts = 0

    # What a class states ------------------------------------------------------------------------------------

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Give the arguments that make it this job, as JSON. A cleared task may have others than before."""

    def facts_before(self) -> dict[str, Any]:
        """Give what else will tell the job from others, as JSON. Called before the job is started."""
        return {}

    def facts_since(self, moment: datetime) -> dict[str, Any] | None:
        """
        Give what tells a job of an earlier try from others, if no note of it was kept.

        :param moment: The start of the Dag run.
        :return: The facts, as JSON. None: nothing can tell.
        """
        return None

    def facts_of(self, answer: Answer) -> dict[str, Any]:
        """
        Give what Braze's answer says of the job, as JSON that may be stored.

        :param answer: The answer to the request that starts it.
        """
        return {}

    @abstractmethod
    def arguments_of_look(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """
        Give the arguments of all looks, as JSON.

        :param facts: The identity of the job, and what else tells it from others.
        """

    def can_be_waited_for(self, facts: Mapping[str, Any]) -> bool:
        """
        Tell whether a look can see that the job is done.

        :param facts: What is known of the job.
        """
        return True

    def survives_clear(self, note: JobNote, seen: Seen) -> bool:
        """
        Tell whether a cleared task goes on with the job of an earlier try, whose result nobody got.

        :param note: The note of the job.
        :param seen: What a look at it shows.
        """
        return not seen.has_come

    def result_of(self, facts: Mapping[str, Any], found: Any) -> Any:
        """
        Give the task's result.

        :param facts: What is known of the job.
        :param found: The result of the last look. None: the task did not wait.
        """
        return found

    # Checks -------------------------------------------------------------------------------------------------

    def request(self) -> tuple[dict[str, str], BrazeObject | None]:
        """
        Give the request that starts the job: the parameters of its path, and its body.

        :raises BrazeValidationError: If an argument breaks Braze's contract.
        """
        from braze_provider.api.validation import validate

        endpoint, values = self.endpoint, self.request_values()
        path = {name: values[name] for name in endpoint.path_parameters if name in values}
        endpoint.path_with(path)
        if endpoint.request is None:
            return path, None
        model = model_of(endpoint)
        body = {name: value for name, value in values.items() if name in model.model_fields}
        return path, validate(model, body, endpoint.path)

    def check_constants(self) -> None:
        """
        Check the arguments that rendering will not change, at Dag parse.

        :raises BrazeValidationError: With all mistakes that can be found before rendering.
        """
        from braze_provider.tasks.parse_checks import problems_of_fields

        endpoint, values = self.endpoint, self.request_values()
        problems = self.problems_of_wait()
        if not any(may_be_templated(values.get(name)) for name in endpoint.path_parameters):
            try:
                endpoint.path_with({name: values[name] for name in endpoint.path_parameters})
            except BrazeValidationError as error:
                problems += error.problems
        if endpoint.request is not None:
            model = model_of(endpoint)
            body = {name: value for name, value in values.items() if name in model.model_fields}
            problems += problems_of_fields(model, body)
        self.refuse(problems)

    def problems_of_wait(self) -> list[Problem]:
        """List the mistakes in the arguments about the wait, and in choices."""
        from braze_provider.api.reasons import listed

        problems = [
            Problem(name, f"must be {listed(allowed)}")
            for name, allowed in self.choices.items()
            if getattr(self, name) not in allowed
        ]
        for name, why in (("timeout", "a wait needs an end"), ("poll_interval", "Braze limits its requests")):
            if not _is_duration(getattr(self, name)):
                problems.append(Problem(name, f"must be a number of seconds or a timedelta, above 0: {why}"))
        return problems

    # The task -----------------------------------------------------------------------------------------------

    def execute(self, context: Context) -> Any:
        """Start the job, unless an earlier try has started it, and wait for it."""
        from braze_provider.tasks.jobs import JobNotes

        self.refuse(self.problems_of_wait())
        self.request()
        give_up_at = time.time() + _seconds(self.timeout)
        with closing(JobNotes(context)) as notes:
            note = self._earlier(context, notes)
            if note is not None and note.is_accepted:
                self.log.info("An earlier try has started it, so this one goes on waiting for it")
            return self._proceed(context, notes, note, give_up_at)

    def go_on(self, context: Context, event: Mapping[str, Any]) -> Any:
        """
        Continue after the triggerer has waited.

        :param context: Airflow's context of the task.
        :param event: How the wait ended, and what the task has to know again.
        """
        from braze_provider.tasks.jobs import JobNote, JobNotes

        if event["end"] == "never":
            raise AirflowFailException(event["state"])
        carried, has_come = event["carried"], event["end"] == "come"
        self._last_seen = carried["last_seen"] if carried["step"] == _PAUSE else event["state"]
        self._starts = carried["starts"]
        if carried["step"] in (_BEGUN, _DONE):
            self.log.info("Seen: %s", self._last_seen)
            seen = Seen(event["state"], has_come=True, result=event["result"])
            self._came[carried["step"]] = seen if has_come else None
        elif not has_come:
            self._give_up()
        with closing(JobNotes(context)) as notes:
            return self._proceed(context, notes, JobNote.from_json(carried["note"]), carried["give_up_at"])

    def on_kill(self) -> None:
        """Stop waiting. The job goes on at Braze, and the task's next try goes on waiting for it."""
        if self._stop is not None:
            self.log.warning("The task stops waiting. Last seen: %s", self._last_seen)
            self._stop.request()

    def _earlier(self, context: Context, notes: JobNotes) -> JobNote | None:
        """Give the note of the job that an earlier try has started, or may have started."""
        from braze_provider.tasks.jobs import JobNote
        from braze_provider.tasks.records import try_of

        this_try = try_of(context, retries=self.retries or 0, resumed=False)
        if notes.are_kept:
            note = notes.read()
            if note is None or not this_try.is_restart_of(note.counters):
                return note
            is_same = note.facts.items() >= self.identity().items()
            return note if is_same and not note.has_ended and self._survives_clear(note) else None
        if this_try.is_first:
            return None
        started = context["dag_run"].start_date
        facts = None if started is None else self.facts_since(started)
        if facts is None:
            return None
        return JobNote({**self.identity(), **facts}, _counters(context, self.retries), time.time())

    def _survives_clear(self, note: JobNote) -> bool:
        if not self.can_be_waited_for(note.facts):
            return False
        try:
            seen = glance(type(self).look, self.hook, self.arguments_of_look(note.facts))
        except NeverComesError as error:
            self.log.info("What an earlier try started will not be done: %s", error)
            return False
        return self.survives_clear(note, seen)

    def _proceed(self, context: Context, notes: JobNotes, note: JobNote | None, give_up_at: float) -> Any:
        from braze_provider.delivery.stop import StopSignal

        self._stop = StopSignal()
        while note is None or not note.is_accepted:
            if note is not None and self._has_begun(note, give_up_at):
                self.log.info("It has begun")
                note = self._accepted(notes, note)
                break
            left = give_up_at - time.time()
            if self._starts and (self._starts == MAX_STARTS or left <= 0):
                raise BrazeError(
                    "It is not known whether Braze has started it. Requests without an answer: "
                    f"{self._starts}"
                )
            if self._starts:
                self._sleep(min(_seconds(self.poll_interval), left))
            note = self._start(context, notes, note, give_up_at)
        found = None
        if self.wait_for_completion and self.can_be_waited_for(note.facts):
            seen = self._wait(_DONE, type(self).look, note, give_up_at, give_up_at)
            if seen is None:
                self._give_up()
            found = seen.result
        result = self.result_of(note.facts, found)
        self._keep(notes, replace(note, has_ended=True))
        return result

    def _has_begun(self, note: JobNote, give_up_at: float) -> bool:
        """Tell whether a job has begun, although no answer of Braze's says so."""
        look = type(self).begun
        if look is None:
            return False
        # If Braze refuses a second job while one runs, that tells it too, and nothing needs to be waited for.
        patience = APPEARS_WITHIN if self.endpoint.repeat is Repeat.DUPLICATES else 0.0
        self.log.info("Looking whether it has begun already")
        return self._wait(_BEGUN, look, note, min(time.time() + patience, give_up_at), give_up_at) is not None

    def _start(
        self, context: Context, notes: JobNotes, earlier: JobNote | None, give_up_at: float
    ) -> JobNote | None:
        """Ask Braze to start the job, and give its note. None: another job was in the way."""
        from braze_provider.tasks.calls import call_patiently
        from braze_provider.tasks.jobs import JobNote

        path, body = self.request()
        note = earlier
        if note is None:
            facts = {**self.identity(), **self._before(give_up_at)}
            note = JobNote(facts, _counters(context, self.retries), time.time())
            # Kept before the request, so that a killed task does not forget that it may have made it.
            notes.write(note)
        try:
            # After a request without an answer, the task looks before it makes another one.
            endpoint = replace(self.endpoint, repeat=Repeat.DUPLICATES)
            answer = call_patiently(self.hook, endpoint, body, path=path, log=self.log)
        except BrazeConflictError as error:
            if earlier is not None and self._is_ours(note):
                self.log.info("%s: an earlier request has started it", error)
                return self._accepted(notes, note)
            self._keep(notes, None)
            if self.if_running == "fail":
                raise AirflowFailException(f"{error}. if_running='wait' waits for it") from None
            self._last_seen = str(error)
            self.log.info("%s: waiting for it", error)
            self._starts = 0
            self._wait_until_idle(note, give_up_at)
            return None
        except BrazeUncertainError as error:
            self.log.warning("%s", error)
            self._starts += 1
            return note
        except BrazeRequestError as error:
            if earlier is None:
                self._keep(notes, None)
            if isinstance(error, (BrazeConfigurationError, BrazeRejectedError)):
                raise AirflowFailException(str(error)) from None
            raise
        self.log.info("Braze has started it")
        return self._accepted(notes, note, **self.facts_of(answer))

    def _before(self, give_up_at: float) -> dict[str, Any]:
        while True:
            try:
                return self.facts_before()
            except (BrazeConfigurationError, BrazeRejectedError) as error:  # noqa: PERF203 - it waits anyway
                raise AirflowFailException(str(error)) from None
            except BrazeRequestError as error:
                # It only reads, so it is repeated as any look is.
                left = give_up_at - time.time()
                if left <= 0:
                    raise
                self.log.warning("%s", error)
                self._sleep(min(_seconds(self.poll_interval), left))

    def _is_ours(self, note: JobNote) -> bool:
        """Tell whether the job that runs is the one that an earlier request may have started."""
        begun, idle = type(self).begun, type(self).idle
        if begun is None:
            return False
        arguments = self.arguments_of_look(note.facts)
        if self._look(begun, arguments).has_come:
            return True
        # One that runs and is listed is older. One that is not listed yet has only just begun.
        return idle is not None and self._look(idle, arguments).has_come

    def _accepted(self, notes: JobNotes, note: JobNote, **facts: Any) -> JobNote:
        accepted = replace(note, facts={**note.facts, **facts}, is_accepted=True)
        self._keep(notes, accepted)
        return accepted

    def _keep(self, notes: JobNotes, note: JobNote | None) -> None:
        """Keep what is known of the job. A failure is no reason to lose sight of a job that has begun."""
        from braze_provider.ledger.base import LedgerLostError

        try:
            notes.write(note)
        except LedgerLostError:
            raise
        except BrazeError as error:
            self.log.warning("%s. A later try looks at Braze whether it has begun", error)

    # Waiting ------------------------------------------------------------------------------------------------

    def _wait_until_idle(self, note: JobNote, give_up_at: float) -> None:
        look = type(self).idle
        # A job that has only just begun may not show yet. Only another request then tells.
        if look is not None and not self._look(look, self.arguments_of_look(note.facts)).has_come:
            if self._wait(_IDLE, look, note, give_up_at, give_up_at) is None:
                self._give_up()
            return
        now = time.time()
        if now >= give_up_at:
            self._give_up()
        over_at = min(now + _seconds(self.poll_interval), give_up_at)
        if self.deferrable:
            arguments = {"moment": over_at}
            self._hand_over(_PAUSE, moment_has_come, arguments, None, over_at + PAUSE_GRACE, give_up_at)
        self._sleep(over_at - now)

    def _look(self, look: Look, arguments: Mapping[str, Any]) -> Seen:
        try:
            seen = glance(look, self.hook, arguments)
        except NeverComesError as error:
            raise AirflowFailException(str(error)) from None
        self._last_seen = seen.state
        self.log.info("Seen: %s", seen.state)
        return seen

    def _wait(self, step: str, look: Look, note: JobNote, until: float, give_up_at: float) -> Seen | None:
        """Look from time to time until the state has come. None: the time is over."""
        if step in self._came:
            return self._came.pop(step)
        arguments = self.arguments_of_look(note.facts)
        while True:
            seen = self._look(look, arguments)
            if seen.has_come:
                return seen
            left = until - time.time()
            if left <= 0:
                return None
            if self.deferrable:
                # A note of a job that could not be started is of no use.
                kept = None if step == _IDLE else note
                self._hand_over(step, look, arguments, kept, until, give_up_at)
            self._sleep(min(_seconds(self.poll_interval), left))

    def _hand_over(
        self,
        step: str,
        look: Look,
        arguments: dict[str, Any],
        note: JobNote | None,
        until: float,
        give_up_at: float,
    ) -> NoReturn:
        from braze_provider.tasks.wait import GRACE_SECONDS
        from braze_provider.triggers.wait import WaitTrigger

        trigger = WaitTrigger(
            look=f"{look.__module__}.{look.__qualname__}",
            arguments=arguments,
            braze_conn_id=self.braze_conn_id,
            poke_interval=_seconds(self.poll_interval),
            give_up_at=until,
            # Not as `kwargs` of the deferral: dag.test() loses them.
            carried={
                "step": step,
                "note": None if note is None else note.to_json(),
                "starts": self._starts,
                "last_seen": self._last_seen,
                "give_up_at": give_up_at,
            },
        )
        seconds = max(until - time.time(), 0) + GRACE_SECONDS
        self.defer(trigger=trigger, timeout=timedelta(seconds=seconds), method_name="go_on")
        raise AssertionError  # for mypy: a deferral raises

    def _sleep(self, seconds: float) -> None:
        if self._stop is not None and self._stop.wait(seconds):
            raise BrazeError(f"The task was stopped while it waited. Last seen: {self._last_seen}")

    def _give_up(self) -> NoReturn:
        raise AirflowFailException(
            f"Waited longer than the timeout of {_seconds(self.timeout):,.0f} s. Last seen: {self._last_seen}"
        )


def _counters(context: Context, retries: int | None) -> Any:
    from braze_provider.tasks.records import try_of

    return (
        try_of(context, retries=retries or 0, resumed=False).opening(starts_over=False, resends=()).counters
    )


def _seconds(duration: timedelta | float) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def _is_duration(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, timedelta)):
        return False
    return 0 < _seconds(value) < float("inf")
