# SPDX-License-Identifier: MIT
"""The nets with PyTorch, at the other end of net_torch.c's pipes: torch_nets.py float|double

Commands are lines on standard input, some with numbers behind them as they stand in memory; see
main. Times are this process's own, in nanoseconds, the pipes left out; as in nets.c, of one thread
those that it had a processor.
"""
import ctypes
import sys
import time
import warnings

warnings.filterwarnings("ignore")  # torch's, where there is no numpy

try:
    import torch
except ImportError:  # no first line says it
    sys.exit()

TYPE = {"float": torch.float32, "double": torch.float64}[sys.argv[1]]
SIZE = torch.tensor([], dtype=TYPE).element_size()


def find_blas():
    """OpenBLAS, if it is what torch has loaded: its threads are not torch's to set."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        paths = {line.split()[-1] for line in maps if "libopenblas" in line}
    return ctypes.CDLL(paths.pop()) if paths else None


BLAS = find_blas()


def set_threads(count):
    torch.set_num_threads(count)
    if BLAS is not None:
        BLAS.openblas_set_num_threads(count)


def receive(*shape):
    count = 1
    for n in shape:
        count *= n
    data = bytearray(sys.stdin.buffer.read(count * SIZE))
    return torch.frombuffer(data, dtype=TYPE).reshape(shape)


class Job:
    def __init__(self, loss, batch, batches, threads, rate, sizes):
        self.batches = batches
        self.threads = threads
        layers = []
        for i, o in zip(sizes, sizes[1:]):
            layers += [torch.nn.Linear(i, o, dtype=TYPE), torch.nn.Tanh()]
        self.net = torch.nn.Sequential(*layers[:-1])
        self.loss = torch.nn.functional.cross_entropy if loss == "softmax" else half_squared_error
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=rate)
        self.x = receive(batches, batch, sizes[0]).unbind()
        targets = receive(batches, batch, sizes[-1])
        self.t = (targets.argmax(-1) if loss == "softmax" else targets).unbind()
        self.start = [receive(*p.shape) for p in self.net.parameters()]
        self.batch = batch
        self.reset()

    def reset(self):
        with torch.no_grad():
            for p, start in zip(self.net.parameters(), self.start):
                p.copy_(start)

    def train(self, first, steps):
        set_threads(self.threads)
        clock = time.thread_time_ns if self.threads == 1 else time.perf_counter_ns
        start = clock()
        for k in range(first, first + steps):
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.net(self.x[k % self.batches]), self.t[k % self.batches])
            loss.backward()
            self.optimizer.step()
        return clock() - start, loss.item() * self.batch


def half_squared_error(outputs, targets):
    return ((outputs - targets) ** 2).sum() * (0.5 / len(outputs))


def main():
    build = torch.__config__.show()
    capability = next((line for line in build.splitlines() if "CPU capability" in line), "")
    print(torch.__version__, capability.strip(" -"),
          "OpenBLAS" if BLAS is not None else "without OpenBLAS", sep="; ", flush=True)
    jobs = {}
    for line in sys.stdin.buffer:
        command, number, *rest = line.decode().split()
        if command == "open":
            loss, batch, batches, job_threads, rate = rest[:5]
            jobs[number] = Job(loss, int(batch), int(batches), int(job_threads), float(rate),
                               [int(n) for n in rest[5:]])
        elif command == "reset":
            jobs[number].reset()
        elif command == "train":
            print(*jobs[number].train(int(rest[0]), int(rest[1])), flush=True)
        elif command == "read":
            for p in jobs[number].net.parameters():
                sys.stdout.buffer.write(p.detach().numpy().tobytes())
            sys.stdout.buffer.flush()
        elif command == "close":
            del jobs[number]


main()
