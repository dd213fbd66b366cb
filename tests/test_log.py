import subprocess
import sys

QUIET = "from barograph.log import get_logger; get_logger().warning('torn tail', bytes=7)"


def test_a_library_s_log_lines_keep_off_standard_output():
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "torn tail" in done.stderr
    assert "7" in done.stderr
