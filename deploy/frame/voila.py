"""The lab in a frame on a page of a learning platform: who may frame it.

    mkdir -p ~/.jupyter && cp voila.py ~/.jupyter/      # or $JUPYTER_CONFIG_DIR; PLATFORM is yours
    prunelab workshop ...

Then, on the platform: <iframe src="https://lab.school.example/?token=..." style="width: 100%; height: 900px"></iframe>

Platform and lab belong under one domain (learn.school.example, lab.school.example): browsers keep the cookies of other
sites from a frame, and without them a closed page cannot end its kernel.
"""

c = get_config()  # noqa: F821

PLATFORM = "https://learn.school.example"
# Jupyter's own pages may be framed by themselves only.
c.Voila.tornado_settings = {"headers": {"Content-Security-Policy": f"frame-ancestors 'self' {PLATFORM}"}}
