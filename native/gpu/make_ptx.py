"""Called by ptx.cmake: the CUDA kernels as PTX, by python/flashmoe/gpu/build.py without what the package needs to run.

make_ptx.py --compiler    prints the clang++ that would be used, or nothing
make_ptx.py FOLDER        makes the modules
"""

import sys
from pathlib import Path
from types import ModuleType

package = ModuleType("flashmoe")  # its own __init__ imports numpy, which a build does not have
package.__path__ = [str(Path(__file__).parents[2] / "python" / "flashmoe")]
sys.modules["flashmoe"] = package

from flashmoe.gpu import build  # noqa: E402

if sys.argv[1] == "--compiler":
    print(build.find_clang() or "", end="")
else:
    build.compile_cuda(Path(sys.argv[1]))
