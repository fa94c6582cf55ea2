"""All commands that write: whatever interrupts them, wherever, one complete output is there, the old one or the new."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import cycle, groupby
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import Ran, attempt, run
from helpers.faults import broken, kills, moved_back, steps_of
from helpers.flat_folders import write_part
from helpers.golden_files import GOLDEN
from helpers.matches_maker import toy, write_table
from helpers.production_maker import write_inputs, write_yaml
from helpers.reweight import COLUMNS as KINDS_OF_COLUMNS
from helpers.reweight import dataset
from helpers.reweight import toy as reweighted

from ecalwindows.commands.finalize_matches import finalize_matches
from ecalwindows.core.files.hidden_names import OLD, Writer, hidden_name
from ecalwindows.core.files.recovery import recover
from ecalwindows.production.verify import verdicts
from ecalwindows.production.work_folder import Place, read_plan

ELECTRONS, PHOTONS = str(GOLDEN / "electrons.root"), str(GOLDEN / "photons.root")
SAMPLE = str(files("ecalwindows") / "data" / "samples" / "electrons.root")
WP = str(GOLDEN / "wp_test.json")
PLAIN = ("--no-figures",)
FREE = (*PLAIN, "--min-entries", "2")
BINS = (*PLAIN, "--eta-bins", "2", "--ncls-bins", "2", "--et-bins")
FEW = ("--events", ":4", "-q")
ALL = ("error", "Ctrl-C", "SIGTERM", "kill")
SLOW = ("error", "kill")
RENAMES = ("rename", "replace", "renameat2", "link")
Tree = dict[str, bytes]


@dataclass(frozen=True)
class Case:
    """A command that writes over what another one wrote.

    old, new : the words of the commands; `{in}` and `{out}` in them are folders of inputs and of outputs
    kinds : of faults at renames, elsewhere they are those of slow commands
    only : steps at which they are injected; most : maximum number of them
    between : a command that runs once after the old one
    """

    old: Sequence[str]
    new: Sequence[str]
    kinds: Sequence[str] = ALL
    only: Sequence[str] = ()
    most: int | None = None
    between: Sequence[str] = ()


CASES = {
    "windows, Parquet": Case(
        ("windows", PHOTONS, "-o", "{out}/w.parquet", *FEW), ("windows", ELECTRONS, "-o", "{out}/w.parquet", *FEW)
    ),
    "windows, NDJSON": Case(
        ("windows", PHOTONS, "-o", "{out}/w.ndjson", *FEW), ("windows", ELECTRONS, "-o", "{out}/w.ndjson", *FEW)
    ),
    "windows, TFRecord": Case(
        ("windows", PHOTONS, "-o", "{out}", "--format", "tfrecord", *FEW),
        ("windows", ELECTRONS, "-o", "{out}", "--format", "tfrecord", *FEW),
    ),
    "windows, where nothing is": Case((), ("windows", ELECTRONS, "-o", "{out}/w.ndjson", "--no-overwrite", *FEW)),
    "convert": Case(
        ("convert", "{in}/parts/b.parquet", "-o", "{out}/c.ndjson", "-q"),
        ("convert", "{in}/parts/a.parquet", "-o", "{out}/c.ndjson", "-q"),
    ),
    "finalize": Case(
        ("finalize", "{in}/other", "-o", "{out}/ds", "-q"),
        ("finalize", "{in}/parts", "-o", "{out}/ds", "--overwrite", "--split", "a=0.5,b=0.5", "-q"),
    ),
    "finalize, where nothing is": Case((), ("finalize", "{in}/parts", "-o", "{out}/ds", "-q")),
    "finalize, in place": Case(
        ("windows", ELECTRONS, "-o", "{out}/a.parquet", *FEW), ("finalize", "{out}", "-q", "--version", "2")
    ),
    "log note": Case(("finalize", "{in}/parts", "-o", "{out}/ds", "-q"), ("log", "note", "{out}/ds", "bad")),
    "relabel, file": Case(
        ("windows", PHOTONS, "-o", "{out}/r.ndjson", *FEW),
        ("relabel", "{in}/text/a.ndjson", "--wp-file", WP, "-o", "{out}/r.ndjson", "--overwrite", "-q"),
    ),
    "relabel, dataset": Case(
        ("finalize", "{in}/other", "-o", "{out}/ds", "-q"),
        ("relabel", "{in}/ds", "--wp-file", WP, "-o", "{out}/ds", "--overwrite", "-q"),
    ),
    "normalize, factors and definition": Case(
        ("normalize", "{in}/other", "-o", "{out}/n.json", "--inputs", "{out}/n.yaml", "-q"),
        ("normalize", "{in}/parts", "-o", "{out}/n.json", "--inputs", "{out}/n.yaml", "-q"),
    ),
    "normalize": Case(
        ("normalize", "{in}/other", "-o", "{out}/n.json", "-q"), ("normalize", "{in}/parts", "-o", "{out}/n.json", "-q")
    ),
    "truth match": Case(
        ("truth", "match", PHOTONS, "-o", "{out}/m.parquet", *FEW),
        ("truth", "match", ELECTRONS, "-o", "{out}/m.parquet", *FEW),
    ),
    "truth window-size": Case(
        ("truth", "window-size", "{in}/m.parquet", "-o", "{out}", *PLAIN, "--shares", "90,95", "-q"),
        ("truth", "window-size", "{in}/m.parquet", "-o", "{out}", *PLAIN, "--shares", "80,90", "-q"),
    ),
    "truth working-points": Case(
        ("truth", "working-points", "{in}/toy.parquet", "-o", "{out}/wp.json", *FREE, "--bootstrap", "2", "-q"),
        ("truth", "working-points", "{in}/toy.parquet", "-o", "{out}/wp.json", *FREE, "--bootstrap", "3", "-q"),
    ),
    "log note, in place": Case(
        ("windows", ELECTRONS, "-o", "{out}/a.parquet", *FEW), ("log", "note", "{out}", "bad"),
        between=("finalize", "{out}", "-q"),
    ),
    "demo": Case(
        ("windows", SAMPLE, "-o", "{out}/windows.parquet", *FEW), ("demo", "-o", "{out}"), kinds=SLOW, most=3
    ),
    "simulate --validate": Case(
        ("simulate", "--validate", "{out}", "-n", "20", "--pileup", "off", "--seed", "1", "-j", "1", "-q"),
        ("simulate", "--validate", "{out}", "-n", "20", "--pileup", "off", "--seed", "2", "-j", "1", "-q"),
        kinds=("error",), most=3,
    ),
    "simulate": Case(
        ("simulate", "-n", "1", "--seed", "1", "--pileup", "off", "-o", "{out}/s.root", "--format", "rntuple", "-q"),
        ("simulate", "-n", "1", "--seed", "2", "--pileup", "off", "-o", "{out}/s.root", "--format", "rntuple", "-q"),
        kinds=SLOW,
    ),
    "plot": Case(
        ("plot", "{in}/other", "-o", "{out}/p", "--no-pdf", "--only", "et_cluster", "-q"),
        ("plot", "{in}/parts", "-o", "{out}/p", "--no-pdf", "--only", "et_cluster", "--overwrite", "-q"),
    ),
    "report": Case(
        ("report", "{in}/other", "-o", "{out}/r.html", "-q"),
        ("report", "{in}/parts", "-o", "{out}/r.html", "-q"),
    ),
    "compare --plots": Case(
        ("compare", "{in}/plain/a.parquet", "{in}/plain/b.parquet", "--plots", "{out}", "-q"),
        ("compare", "{in}/plain/b.parquet", "{in}/plain/a.parquet", "--plots", "{out}", "-q"),
    ),
    "evaluate": Case(
        ("evaluate", "{in}/other", "-o", "{out}/e", "--no-figures", "--bootstrap", "0", "-q"),
        ("evaluate", "{in}/parts", "-o", "{out}/e", "--no-figures", "--bootstrap", "0", "--overwrite", "-q"),
    ),
    "export cmssw": Case(
        ("export", "cmssw", "{in}/cmssw.yaml", "--dataset", "{in}/other", "-o", "{out}/x", "-q"),
        ("export", "cmssw", "{in}/cmssw.yaml", "--dataset", "{in}/parts", "-o", "{out}/x", "--overwrite", "-q"),
        only=("renameat2",),
    ),
    "reweight": Case(
        ("reweight", "{in}/e.parquet", "{in}/p.parquet", "-o", "{out}/w.json", *BINS, "3", "-q"),
        ("reweight", "{in}/e.parquet", "{in}/p.parquet", "-o", "{out}/w.json", *BINS, "4", "-q"),
    ),
    "show": Case(
        ("show", PHOTONS, "--event", "355401:1:100001", "-o", "{out}/x.png"),
        ("show", ELECTRONS, "--event", "355400:1:9400001", "-o", "{out}/x.png"),
    ),
}  # fmt: skip


CMSSW = """
convention: cmssw
clusters: {tensor: x, places: 5, features: [{name: cl_energy}]}
windows: {tensor: w, features: [{name: avg_cl_energy}]}
hits: {tensor: h, places: 6, features: [{name: ieta}]}
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands read; not to be changed."""
    base = tmp_path_factory.mktemp("inputs")
    write_part(base / "parts", "a", "ele", (0, 6))
    write_part(base / "parts", "b", "pho", (0, 6))
    write_part(base / "other", "c", "ele", (6, 12))
    write_part(base / "text", "a", "ele", (0, 6), ".ndjson")
    run("finalize", str(base / "parts"), "-o", str(base / "ds"), "-q")
    run("truth", "match", ELECTRONS, "-o", str(base / "m.parquet"), "-q")
    (base / "cmssw.yaml").write_text(CMSSW)
    (base / "plain").mkdir()
    for number, name in enumerate("ab"):
        few = {"et_seed": np.arange(9.0) + number, "flavour": np.full(9, 11)}
        dataset(base / "plain" / f"{name}.parquet", {n: np.resize(few.get(n, [1]), 9) for n in KINDS_OF_COLUMNS})
    dataset(base / "e.parquet", reweighted(11, 5000, 1))
    dataset(base / "p.parquet", reweighted(22, 5000, 2))
    write_table(base / "toy.parquet", toy(3000, lambda et, eta: np.full(np.shape(et), 1e-3)))
    return base


def tree(folder: Path) -> Tree:
    """All files that are not hidden, but for times and hosts of a run."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part[0] == "." or part == "run" for part in path.relative_to(folder).parts)
    }


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def chosen(steps: Sequence[str], only: Sequence[str], most: int | None = None, *, every: bool = False) -> list[int]:
    """Steps at which to break: of a row of equal ones, such as all files of a folder, the first, one inside, the last.

    most : number of steps, which are spread evenly over those; every : take all of a row
    """
    found = list[int]()
    for name, places in groupby(range(len(steps)), key=lambda at: steps[at]):
        row = list(places)
        if not only or name in only:
            found += row if every else sorted({row[0], row[len(row) // 2], row[-1]})
    if most is None or most >= len(found):
        return found
    return [found[round(at)] for at in np.linspace(0, len(found) - 1, most)]


def restored(kept: Path, folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(kept, folder, copy_function=shutil.copy2)


class Failed(Exception):
    """A command that ended with an error."""


SAYS_OLD, SAYS_NEW = "nothing has changed under the output's name", "interrupted: complete by then: "
said = [""]
"""What the last command wrote to stderr."""


def command(words: Sequence[str], inputs: Path, out: Path) -> Callable[[], Ran]:
    """A command as something to call; KeyboardInterrupt and errors are raised again."""
    words = [word.replace("{in}", str(inputs)).replace("{out}", str(out)) for word in words]

    def call() -> Ran:
        ran = attempt(*words)
        said[:] = [ran.err]
        if ran.code == 130:
            raise KeyboardInterrupt(ran.err)
        if ran.code and (words[0] != "compare" or ran.err):  # different, or without ids by which windows are known
            raise Failed(ran.err)
        return ran

    return call


def broken_everywhere(
    action: Callable[[], object],
    out: Path,
    kept: Path,
    kinds: Sequence[str] = ALL,
    most: int | None = None,
    only: Sequence[str] = (),
    *,
    every: bool = False,
) -> None:
    """Run an action that changes a folder with a fault at each of its steps: the old content is there, or the new.

    What the action says of it is true. Kills come at every step. Of errors, Ctrl-C and SIGTERM, each rename gets one in
    turn and other steps get an error; with `every`, all steps get all of them.
    """
    shutil.copytree(out, kept, copy_function=shutil.copy2)
    old, steps = tree(out), steps_of(action, out)
    new = tree(out)
    assert new != old and not hidden(out) and steps
    wanted = chosen(steps, only, most, every=every)
    if "kill" in kinds:
        restored(kept, out)
        check_kills(action, out, kept.with_name("killed"), wanted, (old, new))
    others = [kind for kind in kinds if kind != "kill"]
    turns = cycle(others)
    for at in wanted:
        for kind in others if every else [next(turns) if steps[at] in RENAMES else others[0]]:
            restored(kept, out)
            said[:] = [""]
            ended = broken(action, out, at, kind)
            if steps[at] not in ("unlink", "rmtree"):
                assert not hidden(out), (kind, at, steps[at])
            found = tree(out)
            assert found in (old, new), (kind, at, steps[at], ended, sorted(found))
            if ended == "done":
                assert found == new, (kind, at, steps[at])
            assert found == old or SAYS_OLD not in said[0], (kind, at, steps[at], said)
            assert found == new or SAYS_NEW not in said[0], (kind, at, steps[at], said)


def check_kills(
    action: Callable[[], object], out: Path, kept: Path, at: Collection[int], complete: tuple[Tree, Tree]
) -> None:
    """After a kill at any of the steps, and repair, one of two contents is there."""
    for number, copy in kills(action, out, at, kept).items():
        moved_back(copy, out)
        for name in {*complete[0], *complete[1]}:
            recover(out / name)
        assert tree(out) in complete, (number, sorted(tree(out)))


QUICK = (
    "windows, Parquet", "windows, where nothing is", "convert", "finalize", "finalize, in place", "log note",
    "log note, in place", "normalize, factors and definition", "export cmssw",
)  # fmt: skip
"""One case of each kind: one file, several, a new one, a folder, a dataset, files within one. The slow test has all."""

OF_ROOT_FILES = ("simulate --validate", "demo", "simulate")
"""Cases that write ROOT files, which hold the time."""


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in OF_ROOT_FILES)])
def test_a_fault_anywhere_leaves_one_complete_output(inputs: Path, tmp_path: Path, name: str) -> None:
    case, out = CASES[name], tmp_path / "out"
    prepared(case, inputs, out)
    broken_everywhere(command(case.new, inputs, out), out, tmp_path / "kept", case.kinds, case.most, case.only)


def prepared(case: Case, inputs: Path, out: Path) -> None:
    """Make the old output."""
    out.mkdir()
    for words in (case.old, case.between):
        if words:
            command(words, inputs, out)()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in OF_ROOT_FILES])
def test_each_fault_at_every_step_leaves_one_complete_output(inputs: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    prepared(CASES[name], inputs, out)
    broken_everywhere(command(CASES[name].new, inputs, out), out, tmp_path / "kept", every=True)


def test_a_fault_anywhere_in_finalizing_tables_of_matches_leaves_one_complete_dataset(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name, source in (("old", PHOTONS), ("new", ELECTRONS)):
        run("truth", "match", source, "-o", str(tmp_path / name / "m.parquet"), *FEW)
    finalize_matches(tmp_path / "old", out / "ds")
    broken_everywhere(lambda: finalize_matches(tmp_path / "new", out / "ds", overwrite=True), out, tmp_path / "kept")


# --- productions ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a production of two inputs with its parts, made in this process, and its dataset."""
    base = tmp_path_factory.mktemp("production")
    write_inputs(base / "dumps", 2)
    file = write_yaml(base / "p.yaml", output=str(base / "all" / "ds"))
    plan = base / "all" / "ds.production" / "plan.json"
    run("production", "plan", str(file), "-o", str(plan))
    for number in "01":
        run("production", "task", str(plan), number)
    run("production", "finish", str(plan.parent))
    return base


def damaged(base: Path) -> Path:
    """A data file of the dataset, in place of which another one is: the file itself may be that of the part, too."""
    path = next((base / "all" / "ds" / "parquet" / "train").glob("*.parquet"))
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + b"!")
    return path


def test_a_fault_anywhere_in_the_end_of_a_production_leaves_one_complete_dataset(production, tmp_path):
    base, work = production / "all", str(production / "all" / "ds.production")
    finish = command(("production", "finish", work), base, base)
    new = tree(base / "ds")
    damaged(production)
    old = tree(base / "ds")
    shutil.copytree(base, tmp_path / "kept", copy_function=shutil.copy2)
    steps = steps_of(finish, base)
    assert tree(base / "ds") == new != old

    def check(at: int, kind: str) -> None:
        assert tree(base / "ds") in (old, new), (kind, at, steps[at])
        finish()
        assert tree(base / "ds") == new, (kind, at, steps[at])
        assert not [path for path in base.iterdir() if path.name.startswith(".")]

    restored(tmp_path / "kept", base)
    wanted = chosen(steps, ("unlink", "rename", "replace", "renameat2", "rmtree"))
    for at, copy in kills(finish, base, wanted, tmp_path / "killed").items():
        moved_back(copy, base)
        recover(base / "ds")
        check(at, "kill")
    for at in [at for at in wanted if steps[at] == "renameat2"]:
        restored(tmp_path / "kept", base)
        broken(finish, base, at, "error")
        check(at, "error")


def test_the_end_of_a_production_finds_the_dataset_that_a_killed_run_left_under_a_hidden_name(production, caplog):
    base = production / "all"
    before = tree(base / "ds")
    (base / "ds").rename(hidden_name(base / "ds", OLD, Writer("other", 4242)))
    run("production", "finish", str(base / "ds.production"))
    assert tree(base / "ds") == before and "the old one is back" in caplog.text
    assert sorted(path.name for path in base.iterdir()) == ["ds", "ds.production"]


def test_a_fault_anywhere_in_a_job_leaves_a_part_that_is_complete_or_made_again(production, tmp_path):
    work = production / "all" / "ds.production"
    plan, place = read_plan(work / "plan.json"), Place(work)
    shutil.copytree(work, tmp_path / "kept", copy_function=shutil.copy2)
    task = command(("production", "task", str(work / "plan.json"), "0"), work, work)
    before = tree(work / "parts")
    steps = steps_of(task, work)
    restored(tmp_path / "kept", work)
    for at, copy in kills(task, work, chosen(steps, ("rename", "replace", "link")), tmp_path / "killed").items():
        moved_back(copy, work)
        (found, other) = verdicts(place, plan)
        assert other.is_complete, (at, steps[at])
        if not found.is_complete:
            task()
        assert tree(work / "parts") == before, (at, steps[at])


def without_times(found: Tree) -> Tree:
    """Files of a production, but for what says when and where a job ran."""
    return {name: content for name, content in found.items() if not {"jobs", "logs", "numba"} & {*Path(name).parts}}


def lacks_a_part(base: Path) -> None:
    """The first part is not there, and the dataset is damaged."""
    next((base / "all" / "ds.production" / "parts" / "parquet").glob("*.parquet")).unlink()
    damaged(base)


@dataclass(frozen=True)
class OfProduction:
    """A command of a production: its words, what is done before it, the folder of its dataset, how slow it is."""

    words: str
    prepare: Callable[[Path], object] = lambda _: None
    dataset: str = "ds"
    is_slow: bool = False


def to_merge(base: Path) -> None:
    """Another production of the same inputs, whose parts are merged."""
    write_yaml(base / "m.yaml", output=str(base / "all" / "m"), merge=2)


OF_PRODUCTIONS = {
    "plan": OfProduction("production plan {in}/p.yaml -o {in}/all/other/plan.json"),
    "resume": OfProduction("production resume {in}/p.yaml -j 0 -q", lacks_a_part),
    "run": OfProduction("production run {in}/p.yaml -j 0 -q", lambda base: shutil.rmtree(base / "all"), is_slow=True),
    "run, merged": OfProduction("production run {in}/m.yaml -j 0 -q", to_merge, "m", is_slow=True),
    "submit": OfProduction("production submit {in}/p.yaml --dry-run"),
    "condor windows": OfProduction(
        "condor windows -i {in}/dumps -o {in}/all/c -nfg 1 -a sim_fraction -q espresso -cf {in}/all/d --eos-url="
    ),
}


def completed_after_faults(production: Path, kept: Path, case: OfProduction, most: int) -> None:
    """Break a command of a production at its steps, and type it again."""
    base, act = production / "all", command(case.words.split(), production, production)
    case.prepare(production)
    base.mkdir(exist_ok=True)
    shutil.copytree(base, kept, copy_function=shutil.copy2)
    old = tree(base / case.dataset)
    steps = steps_of(act, base)
    new, new_dataset = without_times(tree(base)), tree(base / case.dataset)

    def check(at: int, kind: str) -> None:
        recover(base / case.dataset)
        assert tree(base / case.dataset) in (old, new_dataset), (kind, at, steps[at])
        act()
        assert without_times(tree(base)) == new, (kind, at, steps[at])

    wanted = chosen(steps, (), most)
    restored(kept, base)
    for at, copy in kills(act, base, wanted, kept.with_name("killed")).items():
        moved_back(copy, base)
        check(at, "kill")
    for at in wanted if most > 2 else ():
        for kind in ("error", "SIGTERM"):
            restored(kept, base)
            broken(act, base, at, kind)
            check(at, kind)


@pytest.mark.parametrize("name", [name for name, case in OF_PRODUCTIONS.items() if not case.is_slow])
def test_after_a_kill_the_same_command_of_a_production_completes_it(production, tmp_path, name):
    shutil.copytree(production / "all", tmp_path / "all", copy_function=shutil.copy2)
    completed_after_faults(production, tmp_path / "kept", OF_PRODUCTIONS[name], 2)
    restored(tmp_path / "all", production / "all")


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_PRODUCTIONS)
def test_after_each_fault_at_any_step_the_same_command_of_a_production_completes_it(production, tmp_path, name):
    shutil.copytree(production / "all", tmp_path / "all", copy_function=shutil.copy2)
    case = OF_PRODUCTIONS[name]
    completed_after_faults(production, tmp_path / "kept", case, 4 if case.is_slow else 1000)
    restored(tmp_path / "all", production / "all")
