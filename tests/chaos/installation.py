"""A whole installation of Kept on this machine, to be broken: servers, Kept's processes, a simulated world.

Everything starts as `kept demo` starts it. Tests break it by name, and wait on conditions: while they wait, the
supervisor starts again what has died. Whatever happens, `close` leaves nothing running.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from redis import Redis

from kept.domain.lifecycle import TERMINAL, OrderState
from kept.embedded import EmbeddedPostgres, EmbeddedRedis, free_port
from kept.embedded.ports import is_free
from kept.engine.interfaces import StoreUnavailable
from kept.processes.audit import audit, read_books
from kept.processes.local import world_names
from kept.processes.supervisor import Child, Supervisor, _die_with_parent
from kept.simulator.config import Delays, WorldConfig, save_world
from kept.simulator.demo import DemoWorld, demo_config
from kept.simulator.faults import Behaviour, FaultPlan
from kept.store.database import Database
from kept.store.migrate import migrate
from tests.chaos import quick
from tests.chaos.proxy import CommitProxy

_ROOT = Path(__file__).parents[2]
_UP_WITHIN_S = 60.0  # a cold start takes six seconds on two idle cores
_LOOK_EVERY_S = 0.05
_TAIL_LINES = 6  # of each log, in a failure's message
_PARTIES = 6  # of the demonstration world, on successive ports
_ENDED = [state.value for state in OrderState if state in TERMINAL]

# A whole order takes a second; late things come soon.
_DELAYS = Delays(
    accept_s=0.1,
    ship_s=0.4,
    paid_after_s=0.8,
    edit_after_s=0.2,
    cut_after_s=0.5,
    cancel_soon_s=0.1,
    cancel_late_s=1.0,
    late_s=0.8,
    stale_after_s=1.5,
    retry_base_s=0.1,
    retry_max_s=1.0,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How an installation is made."""

    seed: int
    rate: float = 20.0  # new orders a second
    faults: float = 0.0  # share of the world's calls that a fault hits
    workers: int = 2
    quick: bool = True  # with the shorter timers of `quick.py`
    proxied: bool = False  # Kept's processes reach PostgreSQL through a CommitProxy

    @property
    def lease_s(self) -> float:
        """How long a claim holds."""
        return quick.LEASE_S if self.quick else 20.0

    @property
    def world_faults(self) -> FaultPlan:
        """The world's own faults. A call is held for longer than a connector waits."""
        if not self.quick:
            return FaultPlan(seed=self.seed, rate=self.faults)
        hold_s = quick.TIMEOUT_S + 0.5
        return FaultPlan(seed=self.seed, rate=self.faults, hold_s=hold_s, slow_min_s=0.05, slow_max_s=1.0)


@dataclass(frozen=True, slots=True)
class Progress:
    """What the ledger says."""

    messages: int
    facts: int
    orders: int
    ended: int
    deliveries: int
    claimed: int
    letters: int  # dead letters but those of unreadable messages


class QuickSupervisor(Supervisor):
    """The supervisor, starting `quick.py` in place of `kept`."""

    def _spawn(self, child: Child) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{child.name}.log").open("ab") as output:
            child.process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.quick", *child.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=_ROOT,
                env={**os.environ, **self.environment},
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - as the supervisor itself does
            )
        child.started_at = time.monotonic()


@dataclass(eq=False)
class Installation:
    """Everything that runs. Make it with `Installation.start`."""

    plan: Plan
    folder: Path
    ordered: int = 0  # orders that the channels were told to sell, in all
    sound: bool = False  # the last audit held, so that another test may go on with it

    def __post_init__(self) -> None:
        self._runner = asyncio.Runner()
        self._stack = contextlib.ExitStack()
        self._redis_client: Redis | None = None
        self.ended_by_us: Counter[str] = Counter()

    # ------------------------------------------------------------------ life

    @classmethod
    def start(cls, plan: Plan, folder: Path) -> Installation:
        """Start all but the channels, which `sell` starts."""
        installation = cls(plan, folder)
        try:
            installation._start()
        except BaseException:
            installation.close()
            raise
        return installation

    def _start(self) -> None:
        self.postgres = EmbeddedPostgres(self.folder / "postgres")
        self._stack.callback(self.postgres.destroy)
        self.postgres.start()
        self.redis = EmbeddedRedis(self.folder / "redis")
        self._stack.callback(self.redis.destroy)
        self.redis.start()
        self._stack.callback(self._runner.close)
        self.database = Database(self.postgres.dsn, connections_max=1)
        self._stack.callback(lambda: self._runner.run(self.database.close()))
        self._runner.run(migrate(self.database))
        url = self.postgres.dsn
        if self.plan.proxied:
            assert self.postgres.port is not None
            self.proxy = CommitProxy(self.postgres.port, self.plan.seed)
            self._stack.callback(self.proxy.stop)
            url = f"postgresql://kept@127.0.0.1:{self.proxy.start()}/kept?sslmode=disable"
        self.port = free_port()
        self.world = self._make_world()
        self.supervisor = (QuickSupervisor if self.plan.quick else Supervisor)(
            self._environment(url), self.folder / "logs"
        )
        self._stack.callback(self.supervisor.stop)
        self._stack.callback(self._thaw_all)
        self._start_processes()

    def _make_world(self) -> DemoWorld:
        folder = self.folder / "world"
        folder.mkdir()
        demo = demo_config(
            folder,
            kept_url=f"http://127.0.0.1:{self.port}",
            first_port=_free_ports(),
            seed=self.plan.seed,
            rate=self.plan.rate,
            faults=self.plan.world_faults,
            behaviour=Behaviour(unheard=0.0, cuts=0.1),  # nobody polls here: each order's webhooks must come
            delays=_DELAYS,
        )
        self.world_path, self.config_path = folder / "world.json", folder / "kept.toml"
        save_world(demo.config, self.world_path)
        text = demo.kept_toml
        if self.plan.quick:
            text = text.replace("base_url =", f"timeout_s = {quick.TIMEOUT_S}\nbase_url =")
        self.config_path.write_text(text, encoding="utf-8")
        return demo

    def _environment(self, database_url: str) -> Mapping[str, str]:
        return {
            "KEPT_DATABASE_URL": database_url,
            "KEPT_REDIS_URL": self.redis.url,
            "KEPT_CONFIG": str(self.config_path),
            "KEPT_HOME": str(self.folder),
            "KEPT_HOST": "127.0.0.1",
            "KEPT_PORT": str(self.port),
            "KEPT_CRASH_POINT": "",
            "PYTHONUNBUFFERED": "1",
        }

    def _start_processes(self) -> None:
        start, world = self.supervisor.start, str(self.world_path)
        start("world-erp", "simulate", "erp", "--world", world)
        for name in self.config.centres:
            start(f"world-{name}", "simulate", "centre", "--name", name, "--world", world)
        start("api", "api")
        start("relay", "relay")
        for number in range(1, self.plan.workers + 1):
            start(f"worker-{number}", "worker")
        self.until(self.is_ready, _UP_WITHIN_S, "the API is ready")
        self.until(lambda: len(list(self._books())) == len(self._book_paths()) - 1, _UP_WITHIN_S, "the world is up")

    def close(self) -> None:
        """Stop everything and delete the servers' data."""
        self._stack.close()
        if self._redis_client is not None:
            self._redis_client.close()

    # ------------------------------------------------------------------ load

    @property
    def config(self) -> WorldConfig:
        return self.world.config

    def sell(self, orders: int) -> None:
        """Let the channels sell so many orders more; they are restarted for it."""
        self.ordered += orders
        self.sound = False
        save_world(replace(self.config, count=self.ordered), self.world_path)
        self.supervisor.stop(["world-channels"])
        self.supervisor.start("world-channels", "simulate", "channels", "--world", str(self.world_path))

    # ------------------------------------------------------------------ breaking it

    def child(self, name: str) -> Child:
        """A process by its name. StopIteration if there is none."""
        return next(child for child in self.supervisor.children if child.name == name)

    def process(self, name: str) -> subprocess.Popen[bytes]:
        process = self.child(name).process
        assert process is not None, f"{name} was started"
        return process

    def kill(self, name: str) -> None:
        """kill -9. A server is started again at once on its data, a process by the supervisor once it is tended."""
        self.ended_by_us[name] += 1
        if name in ("postgres", "redis"):
            server = self.postgres if name == "postgres" else self.redis
            server.kill()
            server.start()
        else:
            self.process(name).kill()
            self.process(name).wait()

    def is_running(self, name: str) -> bool:
        """Whether there is something to kill; servers are always started again before anything else is done."""
        return name in ("postgres", "redis") or self.process(name).poll() is None

    def freeze(self, name: str) -> None:
        self.process(name).send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.process(name).send_signal(signal.SIGCONT)

    def _thaw_all(self) -> None:
        for child in self.supervisor.children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def armed(self, point: str, arrival: int, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """`kept NAME` beside the supervised ones, to die when it comes to a crash point; it is not started again."""
        environment = {**self.supervisor.environment, "KEPT_CRASH_POINT": f"{point}:{arrival}"}
        supervisor = type(self.supervisor)(environment, self.supervisor.logs)
        try:
            process = supervisor.start(f"armed-{name}", name).process
            assert process is not None
            yield process
        finally:
            supervisor.stop()

    @property
    def redis_client(self) -> Redis:
        if self._redis_client is None:
            self._redis_client = Redis.from_url(self.redis.url)
        return self._redis_client

    # ------------------------------------------------------------------ looking

    def until(self, condition: Callable[[], object], within_s: float, what: str) -> None:
        """Tend the processes until the condition holds. AssertionError with everything known if it does not."""
        deadline = time.monotonic() + within_s
        while True:
            self.supervisor.tend()
            if condition():
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within_s:.0f} s: {what}\n{self.report()}")
            time.sleep(_LOOK_EVERY_S)

    def for_the_time_of(self, seconds: float) -> None:
        """Tend the processes while a fault of a given length lasts."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, seconds + 10, "the time is over")

    def until_facts(self, facts: int, within_s: float = 120.0) -> None:
        """Wait until the ledger has so many facts, or everything is done."""
        self.until(lambda: self._has_facts(facts), within_s, f"the ledger has {facts} facts")

    def _has_facts(self, facts: int) -> bool:
        now = self.progress()
        return now is not None and (now.facts >= facts or now.ended >= self.ordered > 0)

    def progress(self) -> Progress | None:
        """What the ledger says now; None while PostgreSQL does not answer."""
        try:
            row = self._runner.run(self._fetch(_PROGRESS, _ENDED))[0]
        except StoreUnavailable:
            return None
        return Progress(**dict(row))

    def count(self, sql: str, *arguments: object) -> int:
        """One number out of the database."""
        number: int = self._runner.run(self._fetch(sql, *arguments))[0][0]
        return number

    async def _fetch(self, sql: str, *arguments: object) -> list[Any]:
        async with self.database.connection() as connection:
            rows: list[Any] = await connection.fetch(sql, *arguments)
        return rows

    def is_ready(self) -> bool:
        """Whether the API answers /readyz with 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def logged(self, name: str, words: str) -> int:
        """How many lines of a process' log hold the words."""
        path = self.folder / "logs" / f"{name}.log"
        if not path.exists():
            return 0
        with path.open(encoding="utf-8", errors="replace") as log:
            return sum(words in line for line in log)

    def until_logged(self, name: str, words: str, times: int) -> None:
        """Wait until so many lines of a process' log hold the words."""
        self.until(lambda: self.logged(name, words) >= times, 30, f"{name} says {words!r} for the {times}. time")

    def wait_until_at_rest(self, within_s: float = 60.0) -> Progress:
        """Wait until all orders sold have ended and nothing is on its way, in or out. Raises AssertionError."""
        self.until(self.is_at_rest, within_s, f"all {self.ordered} orders have ended")
        progress = self.progress()
        assert progress is not None
        return progress

    def is_at_rest(self) -> bool:
        now = self.progress()
        if now is None or now.orders < self.ordered or now.ended < now.orders or now.deliveries:
            assert now is None or not now.letters, f"an order is dead\n{self.report()}"
            return False
        return read_books(self.world_path).unanswered == 0

    # ------------------------------------------------------------------ judging

    def wait_and_audit(self, within_s: float = 60.0) -> Progress:
        """At rest, every order has ended, exactly those that were sold, and every check of the audit holds."""
        progress = self.wait_until_at_rest(within_s)
        report = self._runner.run(audit(self.database, self.world_path))
        broken = [f"{f.check}: {f.broken} {'; '.join(f.examples)}" for f in report.findings if f.broken]
        if not report.at_rest:
            broken.append("not at rest")
        if progress.orders != self.ordered:
            broken.append(f"{self.ordered} orders sold, {progress.orders} in the ledger")
        refused = self._refused_webhooks()
        if refused:
            broken.append(f"{refused} authentic webhooks were refused with 4xx")
        broken.extend(self._unforeseen())
        assert not broken, "\n".join([*broken, self.report()])
        self.sound = True
        print(
            f"audit holds: {self.plan}, {progress}, checks {len(report.findings)}, ended by us {dict(self.ended_by_us)}"
        )  # see -rP
        return progress

    def _unforeseen(self) -> Iterator[str]:
        """What no process should ever meet, whatever is broken around it: it would be a bug that a retry hides."""
        for child in self.supervisor.children:
            for words in ("api.unforeseen", "settle.poison", '"reason":"unforeseen '):
                times = self.logged(child.name, words)
                if times:
                    yield f"{child.name} says {words!r} {times} times"
            # One that is started while a server is away says so, ends, and is started again.
            said = ("StoreUnavailable: ", "kept: PostgreSQL: ", "kept: Redis: ")
            excused = self.ended_by_us[child.name] + sum(self.logged(child.name, words) for words in said)
            if child.restarts > excused:
                yield f"{child.name} died of itself {child.restarts - excused} times"

    def _refused_webhooks(self) -> int:
        with contextlib.closing(sqlite3.connect(self.config.book_path("channels"), timeout=5)) as book:
            count: int = book.execute(
                "SELECT count(*) FROM tries t JOIN messages m ON m.id = t.message_id"
                " WHERE m.flavour = 'good' AND t.status BETWEEN 400 AND 499"
            ).fetchone()[0]
        return count

    def _book_paths(self) -> list[Path]:
        return [self.config.book_path(p) for p in ("erp", "channels", *(f"centre-{n}" for n in self.config.centres))]

    def _books(self) -> Iterator[Path]:
        return (path for path in self._book_paths() if path.exists())

    def report(self) -> str:
        """The seed, the counts, what is stuck, and the tail of every log."""
        lines = [f"plan: {self.plan}", f"sold: {self.ordered}", f"ledger: {self.progress()}"]
        for sql in _STUCK:
            with contextlib.suppress(StoreUnavailable):
                lines.extend(str(dict(row)) for row in self._runner.run(self._fetch(sql)))
        for child in self.supervisor.children:
            code = child.process.poll() if child.process is not None else None
            lines.append(f"{child.name}: restarts {child.restarts}, code {code}")
        for path in sorted((self.folder / "logs").glob("*.log")):
            with path.open(encoding="utf-8", errors="replace") as log:
                lines.extend(f"{path.stem}| {line.rstrip()[:400]}" for line in deque(log, _TAIL_LINES))
        return "\n".join(lines)


def _free_ports() -> int:
    """The first of as many free ports in a row as the world has parties."""
    while True:
        first = free_port()
        if all(is_free(first + offset) for offset in range(_PARTIES)):
            return first


def kept_processes(installation: Installation) -> list[str]:
    """The names of Kept's own processes."""
    world = {*world_names(installation.config)}
    return [child.name for child in installation.supervisor.children if child.name not in world]


_PROGRESS = """
SELECT (SELECT count(*) FROM inbox) AS messages, (SELECT count(*) FROM ledger) AS facts,
       (SELECT count(*) FROM orders) AS orders,
       (SELECT count(*) FROM orders WHERE state = ANY($1::text[])) AS ended,
       (SELECT count(*) FROM deliveries) AS deliveries,
       (SELECT count(*) FROM deliveries WHERE claimed_until > now()) AS claimed,
       (SELECT count(*) FROM dead_letters WHERE kind <> 'message' AND resolved_at IS NULL) AS letters
"""
_STUCK = (
    "SELECT id, kind, subject_id, order_id, step, due_at - now() AS due_in, now() - queued_at AS rung_for,"
    " claimed_until - now() AS claimed_for, attempts, last_error FROM deliveries ORDER BY id LIMIT 10",
    "SELECT id, reference, state FROM orders WHERE state NOT IN"
    f" ({', '.join(repr(state) for state in _ENDED)}) ORDER BY id LIMIT 10",
    "SELECT kind, subject_id, step, code, reason FROM dead_letters WHERE kind <> 'message' LIMIT 10",
)
