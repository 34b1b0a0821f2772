"""Compile QuickFIX: run by build_quickfix.py inside QuickFIX's unpacked source, with the pinned setuptools.

QuickFIX's own setup.py compiles one file after another. This runs the same setup.py with a build_ext that uses every
core and adds the flags it is given, and says on standard output `compiled N OF` after each file. Everything else that
setuptools and the compiler print goes to standard error.
"""

import argparse
import os
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import IO, ClassVar

import setuptools  # noqa: F401  Puts its own distutils in place, so it comes before the next line.

from distutils.core import run_setup  # isort: skip
from setuptools import Extension
from setuptools.command.build_ext import build_ext


class ParallelBuildExt(build_ext):
    """Compiles on every core, the largest source first, so that nobody waits for it alone at the end."""

    compile_args: ClassVar[list[str]]
    link_args: ClassVar[list[str]]
    progress: ClassVar[IO[str]]

    def build_extension(self, ext: Extension) -> None:
        """Compile all sources of `ext` side by side, then let setuptools link the objects."""
        sources = sorted(ext.sources, key=lambda name: Path(name).stat().st_size, reverse=True)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            jobs = [pool.submit(self._compile, source, ext) for source in sources]
            try:
                self._collect(jobs, ext)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        ext.sources = []
        ext.language = "c++"  # With no source left to look at, setuptools would link as C.
        ext.extra_link_args += self.link_args
        super().build_extension(ext)

    def _compile(self, source: str, ext: Extension) -> list[str]:
        objects: list[str] = self.compiler.compile(
            [source],
            output_dir=self.build_temp,
            include_dirs=ext.include_dirs,
            extra_postargs=ext.extra_compile_args + self.compile_args,
        )
        return objects

    def _collect(self, jobs: list[Future[list[str]]], ext: Extension) -> None:
        for done, job in enumerate(as_completed(jobs), start=1):
            ext.extra_objects += job.result()
            print("compiled", done, len(jobs), file=self.progress, flush=True)


def main() -> None:
    """Run ./setup.py and leave the wheel in the folder given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel_dir")
    parser.add_argument("--compile-args", required=True, help="separated by spaces")
    parser.add_argument("--link-args", required=True, help="separated by spaces")
    options = parser.parse_args()
    ParallelBuildExt.compile_args = options.compile_args.split()
    ParallelBuildExt.link_args = options.link_args.split()
    ParallelBuildExt.progress = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # To stop at the command line is the documented way to get hold of a distribution before it runs its commands.
    distribution = run_setup("setup.py", ["bdist_wheel", "--dist-dir", options.wheel_dir], stop_after="commandline")
    distribution.cmdclass["build_ext"] = ParallelBuildExt
    distribution.run_commands()


if __name__ == "__main__":
    main()
