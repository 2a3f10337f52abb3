"""markitdown, as `sbd-bench` compares with it: `markitdown.py FILE...` reads each file and prints how many seconds each
took, as JSON. What it imports for a format it has imported before."""

import json
import sys
import time

from markitdown import MarkItDown

reader = MarkItDown(enable_plugins=False)
took = []
for file in sys.argv[1:]:
    reader.convert(file)
    begun = time.perf_counter()
    reader.convert(file)
    took.append(time.perf_counter() - begun)
print(json.dumps(took))
