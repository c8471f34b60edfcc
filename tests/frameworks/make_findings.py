"""Write findings.json, what cestab finds in the installed releases: python tests/frameworks/make_findings.py [NAME…]."""

import json
import sys
from pathlib import Path

from findings import BINARY, SOFTMAX, sweep, versions

if __name__ == "__main__":
    path = Path(__file__).with_name("findings.json")
    settings = []
    for name in sys.argv[1:] or (*SOFTMAX, *BINARY):
        rows = sweep(name)
        print(name, {row["dtype"]: row["verdict"] for row in rows}, file=sys.stderr)
        settings += rows
    lines = ",\n".join(json.dumps(row) for row in settings)
    path.write_text(f'{{"versions": {json.dumps(versions())},\n"settings": [\n{lines}\n]}}\n')
