import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.e2e
def test_the_wheel_works_in_a_clean_environment(tmp_path: Path) -> None:
    """Build the wheel, install it into a new environment, and run it from there.

    The dependencies are lent by a path file, so that no network is needed; our own editable install is not, since
    path files inside a lent folder are not followed.
    """
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("greenloop-*.whl")
    clean = tmp_path / "clean"
    subprocess.run([sys.executable, "-m", "venv", str(clean)], check=True)
    python = clean / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    site = next((clean / "lib").glob("python3*/site-packages"))
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = [str(python), "-c", "import greenloop; print(greenloop.__file__)"]
    found = subprocess.run(where, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert found.startswith(str(clean)), "the installed package is the one that runs"
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.ml").write_text("let half x = x / 2\nlet () = print_int (hal 4)\n")
    fix = [str(clean / "bin" / "greenloop"), "--home", str(tmp_path / "home"), "fix", str(tmp_path / "work"), "-n", "1"]
    done = subprocess.run(fix, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "+let () = print_int (half 4)" in done.stdout
