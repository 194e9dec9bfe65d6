"""The student's speed, memory and exactness, on models with random weights made here.

    python tests/bench/student.py                    one CPU thread, against a batch of one in the same run
    python tests/bench/student.py --device cuda      a GPU, likewise

Prints a table; a figure that is not reached is marked MISS, and the exit code is 1.
"""

from __future__ import annotations

import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

import argparse
import asyncio
import copy
import gc
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from figures import HEADER, Figure, Reach, at_least, at_most, of_repetitions
from harness import print_table
from student_models import Prose, Shape, inner_parameters, model, tokenizer

from preflect.adapters.causal_lm import CausalLm
from preflect.adapters.causal_lm_check import check_causal_lm
from preflect.adapters.causal_lm_loading import with_quick_parts
from preflect.adapters.device_pool import Device, DevicePool
from preflect.adapters.lm_head import head_of
from preflect.adapters.scoring_service import ScoringService
from preflect.adapters.tokenizer import HubTokenizer
from preflect.ports import NllPair, ScoreQuery
from preflect.schemas.models import Template
from preflect.scoring.sequences import Layout
from preflect.scoring.spans import Pass

MB = 1_000_000
HEAD_MB = at_most(256.0)


class Bench:
    """One model with its tokenizer, as a student would have them."""

    def __init__(self, made: Any, text: Any, template: Template = "alpaca", max_length: int = 2048) -> None:
        self.whole = made
        """The model as it was, for the batch of one."""
        self.lm = CausalLm("bench", with_quick_parts(copy.deepcopy(made)) if template == "gpt2" else made)
        self.tokens = HubTokenizer("bench", text)
        check_causal_lm(self.lm, self.tokens)
        if self.lm.head is None:
            raise RuntimeError("the head of this model is not understood")
        self.layout = Layout(
            encoder=self.tokens, template=template, max_length=max_length, known_ids=self.lm.embeddings
        )
        self.device: Device = self.lm

    def in_onnx(self, folder: Path) -> Bench:
        """The same, computed by onnxruntime in one thread."""
        from preflect.adapters.onnx_graph import write_graph
        from preflect.adapters.onnx_lm import OnnxLm

        write_graph(self.lm, folder)
        cores, exported = os.sched_getaffinity(0), copy.copy(self)
        # It starts as many threads as there are cores that it may use.
        os.sched_setaffinity(0, [min(cores)])
        exported.device = OnnxLm("bench", folder, budget=1024)
        os.sched_setaffinity(0, cores)
        return exported

    def service(self) -> ScoringService:
        device = self.device
        return ScoringService(self.layout.passes, DevicePool([device]), window_tokens=device.budget * device.lanes)

    def passes(self, queries: Sequence[ScoreQuery]) -> list[Pass]:
        return [one for laid in self.layout.passes(queries) if isinstance(laid, tuple) for one in laid]


def ours(bench: Bench, queries: Sequence[ScoreQuery]) -> list[NllPair]:
    async def all_at_once() -> list[NllPair]:
        service = bench.service()
        return await asyncio.gather(*(service.score(query) for query in queries))

    return asyncio.run(all_at_once())


def batch_of_one(bench: Bench, queries: Sequence[ScoreQuery]) -> list[NllPair]:
    """As the originals do it: each text tokenised, run and read by itself, its whole logits in float32."""
    return [_pair_alone(bench, query) for query in queries]


def _pair_alone(bench: Bench, query: ScoreQuery) -> NllPair:
    (passes,) = bench.layout.passes([query])
    assert isinstance(passes, tuple)
    conditioned, alone = (_nll_alone(bench.whole, one) for one in passes)
    return NllPair(
        conditioned=conditioned,
        unconditioned=alone,
        conditioned_tokens=passes[0].tokens,
        unconditioned_tokens=passes[1].tokens,
    )


def _nll_alone(whole: Any, one: Pass) -> float:
    ids = torch.tensor([one.ids], device=whole.device)
    labels = ids.clone()
    labels[:, : one.first] = -100
    with torch.no_grad():
        return whole(input_ids=ids, labels=labels).loss.item()


def seconds(work: Callable[[], object]) -> float:
    since = time.perf_counter()
    work()
    return time.perf_counter() - since


def on_cpu(rows: int, repeat: int) -> Iterator[Figure]:
    torch.set_num_threads(1)
    yield from head_memory("cpu", torch.float32, positions=2048)
    text = tokenizer()
    queries = list(Prose().queries(rows))
    plain = Bench(model("50M", "cpu", torch.float32), text)
    exported = tempfile.TemporaryDirectory()
    contenders = {"float32": (plain, at_least(1.15)), "onnx": (plain.in_onnx(Path(exported.name)), None)}
    if _has_bf16():
        contenders["bfloat16"] = (Bench(model("50M", "cpu", torch.bfloat16), text), at_least(3.5))
    else:
        yield Figure("50M, one thread", "bfloat16", "not measured: this CPU has no bfloat16 arithmetic")
    yield from _described("50M, one thread", plain, queries)
    for _ in range(repeat):
        base = seconds(lambda: batch_of_one(plain, queries))
        yield Figure("50M, one thread", "batch of one, float32", "sequences/s", 2 * len(queries) / base)
        for name, (bench, reach) in contenders.items():
            took = seconds(lambda bench=bench: ours(bench, queries))
            yield Figure("50M, one thread", name, "sequences/s", 2 * len(queries) / took)
            yield Figure("50M, one thread", name, "times the batch of one", base / took, reach)
    yield from exactness(plain, queries[:8], at_most(1e-5))


def _has_bf16() -> bool:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return "avx512_bf16" in flags or "amx_bf16" in flags


def on_gpu(rows: int, repeat: int, only: Sequence[str]) -> Iterator[Figure]:
    for workload in (matmul_rate, gpt2_size, seven_billions, full_memory, long_and_wide, gpu_exactness):
        if not only or workload.__name__ in only:
            since = time.perf_counter()
            for figure in workload(rows, repeat):
                print(*figure.row(), sep=" | ", flush=True)
                yield figure
            gc.collect()
            torch.cuda.empty_cache()
            print(f"{workload.__name__}: {time.perf_counter() - since:.1f} s", file=sys.stderr, flush=True)


def matmul_rate(_rows: int, _repeat: int) -> Iterator[Figure]:
    yield Figure(torch.cuda.get_device_name(), "torch.matmul", "bf16 TFLOP/s, 8192³", _matmul_flops() / 1e12)


def _matmul_flops() -> float:
    left, right = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    times: list[float] = []
    for _ in range(23):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        torch.matmul(left, right)
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / 1000)
    return 2 * 8192**3 / statistics.median(times[3:])


def gpu_exactness(_rows: int, _repeat: int) -> Iterator[Figure]:
    text, queries = tokenizer(), list(Prose(3).queries(20))
    shapes: tuple[Shape, ...] = ("50M", "capped")
    for shape in shapes:
        for dtype, reach in ((torch.float32, 1e-5), (torch.bfloat16, 0.04), (torch.float16, 0.04)):
            yield from exactness(Bench(model(shape, "cuda", dtype), text), queries, at_most(reach), shape)


def exactness(bench: Bench, queries: Sequence[ScoreQuery], reach: Reach, shape: str = "50M") -> Iterator[Figure]:
    """The largest difference from batches of one in float64, the same weights."""
    passes = bench.passes(queries)
    found = nlls(bench.lm, passes)
    dtype, whole = bench.lm.model.dtype, bench.lm.model.double()
    expected = [_nll_exactly(whole, one) for one in passes]
    bench.lm.model.to(dtype)
    worst = max(abs(a - b) for a, b in zip(found, expected, strict=True))
    who = str(dtype).removeprefix("torch.")
    yield Figure(f"{shape}, {bench.lm.device.type}", who, "largest |Δnll| from float64", worst, reach)


def nlls(lm: CausalLm, passes: Sequence[Pass]) -> list[float]:
    """What a pool of its own gives for these sequences."""
    asker = _Asker(len(set(passes)))
    DevicePool([lm]).ask((one, asker) for one in set(passes))
    asker.done.wait()
    return [asker.found[one] for one in passes]


class _Asker:
    def __init__(self, count: int) -> None:
        self.found: dict[Pass, float] = {}
        self.done = threading.Event()
        self._count = count

    def gone(self) -> bool:
        return False

    def answer(self, sequence: Pass, nll: float | Exception) -> None:
        if isinstance(nll, Exception):
            raise nll
        self.found[sequence] = nll
        if len(self.found) == self._count:
            self.done.set()


def _nll_exactly(whole: Any, one: Pass) -> float:
    ids = torch.tensor([one.ids], device=whole.device)
    with torch.no_grad():
        logits = whole(input_ids=ids).logits[0, one.first - 1 : -1].double()
    return torch.nn.functional.cross_entropy(logits, ids[0, one.first :]).item()


def head_memory(device: str, dtype: torch.dtype, positions: int) -> Iterator[Figure]:
    """What the head takes at most, beside the hidden states, at 150,000 tokens of vocabulary."""
    made = model("wide", device, dtype)
    head = head_of(made)
    assert head is not None
    states = made.base_model(input_ids=torch.zeros((1, 8), dtype=torch.long, device=device), use_cache=False)
    hidden = torch.randn(1, positions, made.config.hidden_size, device=device, dtype=dtype)
    places = torch.arange(positions, device=device)
    with torch.inference_mode():
        before = _start_of_peak(device)
        head.costs(type(states)(last_hidden_state=hidden), places, places)
        peak = _peak(device) - before - hidden.nbytes
    who = str(dtype).removeprefix("torch.")
    yield Figure(f"150k vocabulary, {device}", who, "peak memory of the head, MB", peak / MB, HEAD_MB)


def _start_of_peak(device: str) -> int:
    if device == "cpu":
        return _peak(device)
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def _peak(device: str) -> int:
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return torch.cuda.max_memory_allocated()


def long_and_wide(_rows: int, _repeat: int) -> Iterator[Figure]:
    yield from head_memory("cuda", torch.bfloat16, positions=8192)
    yield from head_memory("cuda", torch.float32, positions=8192)
    bench = Bench(model("wide", "cuda", torch.bfloat16), tokenizer(), max_length=8192)
    prose = Prose(4)
    queries = [replace(query, response=prose.text(7000)) for query in prose.queries(4) if query.direction == "forward"]
    torch.cuda.reset_peak_memory_stats()
    pairs = ours(bench, queries)
    longest = max(len(one.ids) for one in bench.passes(queries))
    failed = sum(pair.conditioned is None for pair in pairs)
    workload = f"{longest} tokens, 151,936 ids"
    yield Figure(workload, "bfloat16", "queries without a score", failed, at_most(0))
    yield Figure(workload, "bfloat16", "peak memory, GB", torch.cuda.max_memory_allocated() / 1e9)


def full_memory(_rows: int, _repeat: int) -> Iterator[Figure]:
    """A budget far above what the memory holds: it is halved, and nothing else changes."""
    bench = Bench(model("50M", "cuda", torch.float32), tokenizer())
    queries = list(Prose(5).queries(1000))
    expected = ours(bench, queries)
    torch.cuda.empty_cache()
    cuda: Any = torch.cuda
    total = cuda.get_device_properties(0).total_memory
    cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + 1.5e9) / total)
    bench.lm.budget = 2**21
    found = ours(bench, queries)
    cuda.set_per_process_memory_fraction(1.0)
    worst = max(
        abs(a.conditioned - b.conditioned)
        for a, b in zip(found, expected, strict=True)
        if a.conditioned and b.conditioned
    )
    yield Figure("1.5 GB left", "float32", "tokens of a batch after 2,097,152", bench.lm.budget)
    yield Figure("1.5 GB left", "float32", "largest |Δnll| from enough memory", worst, at_most(1e-5))
    yield Figure(
        "1.5 GB left", "float32", "queries without a score", sum(p.conditioned is None for p in found), at_most(0)
    )


def gpt2_size(rows: int, repeat: int) -> Iterator[Figure]:
    text, queries = tokenizer(bos=False), list(Prose().queries(rows))
    benches = {
        name: Bench(model("GPT-2", "cuda", dtype), text, "gpt2", 1024)
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    }
    few = queries[: max(16, len(queries) // 40)]
    yield from _described("GPT-2", benches["bfloat16"], queries)
    for bench in benches.values():
        batch_of_one(bench, few[:8])
        ours(bench, queries[: len(queries) // 8])
    for _ in range(repeat):
        rates = {name: 2 * len(few) / seconds(lambda b=bench: batch_of_one(b, few)) for name, bench in benches.items()}
        for name, bench in benches.items():
            # In float32 a quarter of them takes as long.
            many = queries if name == "bfloat16" else queries[: len(queries) // 4]
            rate = 2 * len(many) / seconds(lambda b=bench, m=many: ours(b, m))
            alone = _device_rate(bench, many)
            yield Figure("GPT-2", f"batch of one, {name}", "sequences/s", rates[name])
            yield Figure("GPT-2", name, "sequences/s", rate)
            yield Figure("GPT-2", name, "sequences/s, tokenised before", alone)
            reach = at_least(40) if name == "bfloat16" else None
            yield Figure("GPT-2", name, "times the batch of one in float32", rate / rates["float32"], reach)
            yield Figure("GPT-2", name, "times the batch of one in the same precision", rate / rates[name])
        yield Figure(
            "GPT-2",
            "texts",
            "tokenised for sequences/s",
            2 * len(queries) / seconds(lambda: benches["bfloat16"].passes(queries)),
        )


def _device_rate(bench: Bench, queries: Sequence[ScoreQuery]) -> float:
    passes = bench.passes(queries)
    return len(passes) / seconds(lambda: nlls(bench.lm, passes))


def seven_billions(rows: int, repeat: int) -> Iterator[Figure]:
    ceiling = _matmul_flops()
    bench = Bench(model("7B", "cuda", torch.bfloat16), tokenizer())
    queries = list(Prose().queries(rows // 8))
    yield from _described("7B", bench, queries)
    ours(bench, queries[: len(queries) // 4])
    passes = bench.passes(queries)
    inner, head = inner_parameters(bench.lm.model), bench.lm.model.get_output_embeddings().weight.numel()
    # Attention itself is not counted, nor is padding.
    flops = sum(2 * inner * len(one.ids) + 2 * head * one.tokens for one in passes)
    for _ in range(repeat):
        took = seconds(lambda: ours(bench, queries))
        yield Figure("7B", "bfloat16", "sequences/s", len(passes) / took)
        yield Figure("7B", "bfloat16", "tokens/s", sum(len(one.ids) for one in passes) / took)
        yield Figure("7B", "bfloat16", "TFLOP/s", flops / took / 1e12)
        yield Figure("7B", "bfloat16", "% of the matmul rate", 100 * flops / took / ceiling, at_least(40))
    few = queries[:16]
    yield Figure(
        "7B", "batch of one, bfloat16", "sequences/s", 2 * len(few) / seconds(lambda: batch_of_one(bench, few))
    )
    yield Figure("7B", "bfloat16", "peak memory, GB", torch.cuda.max_memory_allocated() / 1e9)


def _described(workload: str, bench: Bench, queries: Sequence[ScoreQuery]) -> Iterator[Figure]:
    passes = bench.passes(queries)
    yield Figure(workload, "texts", "sequences", len(passes))
    yield Figure(workload, "texts", "tokens a sequence", sum(len(one.ids) for one in passes) / len(passes))
    scored = sum(one.tokens for one in passes) / sum(len(one.ids) for one in passes)
    yield Figure(workload, "texts", "% of tokens scored", 100 * scored)


def main() -> int:
    """Measure, print, and say by the exit code whether all was reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rows", type=int, help="rows of the dataset; two queries and four sequences each")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=(), help="workloads of --device cuda by name")
    arguments = parser.parse_args()
    if arguments.device == "cpu":
        measured = on_cpu(arguments.rows or 12, arguments.repeat)
    else:
        measured = on_gpu(arguments.rows or 2000, arguments.repeat, arguments.only)
    figures = of_repetitions(measured)
    print_table(f"medians of {arguments.repeat}, {torch.__version__}", HEADER, [figure.row() for figure in figures])
    return any(figure.reach and figure.value is not None and not figure.reach.holds(figure.value) for figure in figures)


if __name__ == "__main__":
    sys.exit(main())
