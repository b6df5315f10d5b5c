"""Compiles and links the native core with the Metal device for macOS on arm64, on a machine that is none, and compares
the declarations that it was compiled against (stubs) with Apple's.

    python tests/gpu/metal/macos.py [FOLDER]

Darwin's headers and the symbols of libSystem come with ziglang, true signatures of Metal with pyobjc-framework-Metal
(enums and protocols) and mlx-metal (metal-cpp), all from PyPI. Without a network, clang or lld it says so and exits
with 0. FOLDER keeps what was downloaded, and the library that was made.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TARGET = "arm64-apple-macos13"
# Wheel, what is taken of it.
WHEELS = {
    "ziglang": r"ziglang/lib/libc/(include/any-darwin-any/|darwin/libSystem\.tbd)",
    "pyobjc-framework-Metal": r"Metal/_metadata\.py$",
    "mlx-metal": r".*/metal_cpp/",
}
# The dynamic libraries beside libSystem, with the symbols that the core takes from each.
LIBRARIES = {
    "/usr/lib/libobjc.A.dylib": (
        "_objc_autoreleasePoolPop _objc_autoreleasePoolPush _objc_autoreleaseReturnValue _objc_enumerationMutation "
        "_objc_msgSend _objc_release _objc_retain _objc_retainAutoreleasedReturnValue _objc_storeStrong"
    ),
    "/System/Library/Frameworks/Foundation.framework/Versions/C/Foundation": (
        "$NSArray $NSMutableArray $NSString $NSURL ___CFConstantStringClassReference"
    ),
    "/System/Library/Frameworks/Metal.framework/Versions/A/Metal": (
        "$MTLBinaryArchiveDescriptor $MTLCommandBufferDescriptor $MTLCompileOptions $MTLComputePipelineDescriptor "
        "$MTLFunctionConstantValues $MTLResidencySetDescriptor _MTLCreateSystemDefaultDevice "
        "_MTLCommandBufferEncoderInfoErrorKey"
    ),
}


def fetch(folder: Path) -> str:
    """Downloads what is missing; returns why that failed, or nothing."""
    for wheel, wanted in WHEELS.items():
        place = folder / wheel
        if place.exists():
            continue
        with tempfile.TemporaryDirectory(dir=folder) as work:
            platform = [] if wheel == "ziglang" else ["--platform=macosx_14_0_arm64", "--python-version=3.12"]
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", *platform]
            done = subprocess.run([*command, "-d", work, wheel], capture_output=True, text=True)
            if done.returncode:
                return f"{wheel} could not be downloaded: {done.stderr.strip().splitlines()[-1]}"
            with zipfile.ZipFile(next(Path(work).glob("*.whl"))) as archive:
                archive.extractall(
                    f"{work}/taken", [name for name in archive.namelist() if re.match(wanted, name)]
                )
            (Path(work) / "taken").rename(place)
    return ""


# ---- the link --------------------------------------------------------------------------------------------------------


def sources() -> list[Path]:
    listed = re.findall(r"^\s+(native/\S+\.c)\b", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)
    return [ROOT / name for name in listed] + [ROOT / "native" / "gpu" / "metal.m"]


def link(folder: Path, clang: str) -> Path:
    """Compiles with warnings as errors, links without undefined symbols. Raises CalledProcessError."""
    zig = folder / "ziglang" / "ziglang" / "lib" / "libc"
    objects = folder / "objects"
    objects.mkdir(exist_ok=True)
    flags = [f"--target={TARGET}", "-nostdlibinc", "-isystem", zig / "include" / "any-darwin-any"]
    flags += [f"-I{HERE / 'stubs'}", f"-I{ROOT / 'native/include'}", f"-I{ROOT / 'shaders'}"]
    flags += [f"-I{ROOT / 'python/flashmoe/gpu'}", "-D_GNU_SOURCE", "-O2", "-ffp-contract=off"]
    flags += ["-Wall", "-Wextra", "-Werror"]
    # What clang's runtime library would say of this system, which is not at hand.
    (folder / "runtime.c").write_text(
        "int __isPlatformVersionAtLeast(unsigned p, unsigned a, unsigned b, unsigned c);\n"
        "int __isPlatformVersionAtLeast(unsigned p, unsigned a, unsigned b, unsigned c) {\n"
        "    (void)p, (void)b, (void)c;\n    return a <= 13;\n}\n"
    )
    made = []
    for source in [*sources(), folder / "runtime.c"]:
        made.append(objects / (source.stem + "-" + source.parent.name + ".o"))
        language = ["-std=c17"] if source.suffix == ".c" else ["-fobjc-arc", "-fblocks"]
        subprocess.run([clang, *flags, *language, "-c", source, "-o", made[-1]], check=True)
    # Targets that this lld does not know leave; for symbols, arm64e is arm64.
    system = re.sub(r",\s+arm64e\.x1-\w+", "", (zig / "darwin" / "libSystem.tbd").read_text())
    texts = {"libSystem": system.replace("arm64e-macos", "arm64-macos")}
    for name, symbols in LIBRARIES.items():
        classes = ", ".join(s[1:] for s in symbols.split() if s[0] == "$")
        plain = ", ".join(s for s in symbols.split() if s[0] != "$")
        texts[Path(name).stem.split(".")[0]] = (
            f"--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos ]\ninstall-name: '{name}'\nexports:\n"
            f"  - targets: [ arm64-macos ]\n    symbols: [ {plain} ]\n    objc-classes: [ {classes} ]\n...\n"
        )
    stubs = []
    for name, text in texts.items():
        stubs.append(folder / f"{name}.tbd")
        stubs[-1].write_text(text)
    library = folder / "libflashmoe.dylib"
    subprocess.run(
        [shutil.which("ld64.lld-19") or "ld64.lld", "-arch", "arm64", "-platform_version", "macos", "13.0", "15.0"]
        + ["-dylib", "-undefined", "error", "-o", library, *made, *stubs],
        check=True,
    )
    return library


# ---- signatures ------------------------------------------------------------------------------------------------------


def declared(clang: str, folder: Path) -> tuple[dict[str, str], dict[str, int], dict[str, str]]:
    """Of the stubs of Metal: methods, as "Class selector" to an encoding; enumerators; the types of enums."""
    zig = folder / "ziglang" / "ziglang" / "lib" / "libc" / "include" / "any-darwin-any"
    command = [clang, f"--target={TARGET}", "-nostdlibinc", "-isystem", zig, f"-I{HERE / 'stubs'}", "-fobjc-arc"]
    command += ["-fblocks", "-fsyntax-only", "-x", "objective-c", "-Xclang", "-ast-dump=json"]
    tree = json.loads(subprocess.run([*command, HERE / "stubs/Metal/Metal.h"], check=True, capture_output=True).stdout)
    enums: dict[str, str] = {}
    numbers: dict[str, int] = {}
    methods: dict[str, str] = {}
    by_id: dict[str, str] = {}
    for node in tree["inner"]:
        if node["kind"] == "EnumDecl" and "fixedUnderlyingType" in node:
            by_id[node["id"]] = "q" if node["fixedUnderlyingType"]["qualType"] == "NSInteger" else "Q"
            for constant in node["inner"]:
                numbers[constant["name"]] = int(next(_values(constant)))
        elif node["kind"] == "TypedefDecl":
            for owned in (x.get("ownedTagDecl") for x in node.get("inner", [])):
                if owned and owned["id"] in by_id:
                    enums[node["name"]] = by_id[owned["id"]]
    for node in tree["inner"]:
        if node["kind"] in ("ObjCProtocolDecl", "ObjCInterfaceDecl") and node["name"].startswith("MTL"):
            for member in node.get("inner", []):
                if member["kind"] == "ObjCMethodDecl":
                    kinds = [member["returnType"]]
                    kinds += [p["type"] for p in member.get("inner", []) if p["kind"] == "ParmVarDecl"]
                    methods[f"{node['name']} {member['name']}"] = "".join(encode(k["qualType"], enums) for k in kinds)
    return methods, numbers, enums


def _values(node: dict) -> Iterator[str]:
    if "value" in node:
        yield node["value"]
    for inner in node.get("inner", []):
        yield from _values(inner)


def encode(kind: str, enums: dict[str, str]) -> str:
    """A type of Objective-C, or of metal-cpp, as the runtime encodes it; bool and BOOL are Z."""
    kind = re.sub(r"\b(const|_Nonnull|_Nullable|__autoreleasing|__strong|class)\b", "", kind).strip()
    kind = kind.replace("NS::UInteger", "NSUInteger").replace("NS::Integer", "NSInteger")
    kind = re.sub(r"\b(MTL|NS)::", r"\1", kind)
    if "^" in kind or kind.endswith(("Deallocator", "Block")):
        return "@?"
    words = kind.replace("*", "").strip()
    stars = kind.count("*") + words.startswith("MTLAutoreleased")  # a typedef of metal-cpp for X **
    plain = {
        "void": "v", "BOOL": "Z", "bool": "Z", "double": "d", "CFTimeInterval": "d", "NSTimeInterval": "d",
        "NSUInteger": "Q", "NSInteger": "q", "uint64_t": "Q", "MTLGPUAddress": "Q",
        "MTLSize": "{MTLSize=QQQ}", "char": "c",
    }  # fmt: skip
    if words in plain or words in enums:
        return "^" * stars + plain.get(words, enums.get(words, ""))
    if words == "id" or words.startswith("id<"):
        return "^" * stars + "@"
    return "^" * (stars - 1) + "@"


def pyobjc(folder: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Selectors with their encoding, and enumerators. A protocol's methods are listed without its name."""
    found: dict[str, str] = {}

    def register(owner: bytes, selector: bytes, meta: dict) -> None:
        arguments = meta.get("arguments", {})
        kinds = [meta.get("retval", {}).get("type", "?"), *(arguments[i].get("type", "?") for i in sorted(arguments))]
        kinds = [k if isinstance(k, str) else k.decode() for k in kinds]
        key = selector.decode() if owner == b"NSObject" else f"{owner.decode()} {selector.decode()}"
        found[key] = "".join("Z" if k == "B" else k for k in kinds)

    class Anything(types.ModuleType):
        arch = "arm64"
        registerMetaDataForSelector = staticmethod(register)

        def __getattr__(self, name: str) -> object:
            return lambda *given, **named: None

    text = (folder / "pyobjc-framework-Metal" / "Metal" / "_metadata.py").read_text()
    before, sys.modules["objc"] = sys.modules.get("objc"), Anything("objc")
    space: dict[str, object] = {}
    try:
        exec(compile(text, "_metadata.py", "exec"), space)
    finally:
        sys.modules.pop("objc")
        if before is not None:
            sys.modules["objc"] = before
    pairs = (item.split("@", 1) for item in str(space["enums"]).split("$") if "@" in item)
    return found, {name: int(value) for name, value in pairs if re.fullmatch(r"-?\d+", value)}


def metal_cpp(folder: Path) -> dict[str, str]:
    """Methods of metal-cpp, as "Class selector" to an encoding."""
    place = next((folder / "mlx-metal").rglob("metal_cpp")) / "Metal"
    headers = {path.name: path.read_text() for path in sorted(place.glob("*.hpp"))}
    selectors = dict(re.findall(r'_MTL_PRIVATE_DEF_SEL\((\w+),\s*"([^"]+)"\)', headers["MTLHeaderBridge.hpp"]))
    everything = "\n".join(headers.values())
    enums = {
        f"MTL{name}": "q" if kind == "NS::Integer" else "Q"
        for kind, name in re.findall(r"_MTL_(?:ENUM|OPTIONS)\((NS::\w+), (\w+)\)", everything)
    }
    found = {}
    body = r"_MTL_INLINE ([\w:<>*& ]+?)\s*MTL::(\w+)::\w+\((.*?)\)(?: const)?\n\{[^}]*?_MTL_PRIVATE_SEL\((\w+)\)"
    for returned, owner, parameters, selector in re.findall(body, everything):
        kinds = [returned]
        kinds += [re.sub(r"\w+$", "", p.strip()) for p in re.split(r",(?![^(]*\))", parameters) if p.strip()]
        found[f"MTL{owner} {selectors.get(selector, selector)}"] = "".join(encode(k, enums) for k in kinds)
    return found


def compare(clang: str, folder: Path) -> list[str]:
    """What differs, as sentences."""
    methods, numbers, _ = declared(clang, folder)
    known, values = pyobjc(folder)
    cpp = metal_cpp(folder)
    wrong, seen = [], {"metal-cpp": 0, "pyobjc": 0}
    for method, encoding in methods.items():
        # pyobjc knows the methods of protocols by selector alone, which other protocols may share.
        source, truth = "metal-cpp", cpp.get(method)
        if truth is None:
            source, truth = "pyobjc", known.get(method) or known.get(method.split()[1])
        if truth is None:
            wrong.append(f"{method} is known to neither")
            continue
        seen[source] += 1
        if truth != encoding:
            wrong.append(f"{method} is {encoding} here and {truth} in {source}")
    wrong += [f"{n} is {v} here and {values.get(n)} there" for n, v in numbers.items() if values.get(n) != v]
    print(f"methods: {seen['metal-cpp']} in metal-cpp, {seen['pyobjc']} in pyobjc; {len(numbers)} enumerators")
    return wrong


def main() -> int:
    clang = shutil.which("clang-19") or shutil.which("clang")
    if clang is None or not (shutil.which("ld64.lld-19") or shutil.which("ld64.lld")):
        print("skipped: needs clang and lld (Debian: clang-19 lld-19)")
        return 0
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if why := fetch(folder):
        print(f"skipped: {why}")
        return 0
    wrong = compare(clang, folder)
    if wrong:
        print("\n".join(wrong))
        return 1
    library = link(folder, clang)
    print(f"linked {library} ({library.stat().st_size >> 10} KiB) from {len(sources())} sources")
    return 0


if __name__ == "__main__":
    sys.exit(main())
