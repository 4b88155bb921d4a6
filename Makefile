# Each command sets up what it needs first; when everything is there that takes a blink.
.PHONY: run test build setup clean

run: build      ## build, serve http://127.0.0.1:8080 (PORT=... for another), print the URL
	@node scripts/serve.mjs

build:          ## the static site in dist/, the package in dist/sdk/
	@scripts/setup.sh build
	@scripts/build.sh

test:           ## every test there is
	@scripts/setup.sh test
	@scripts/test.sh

setup:          ## only the tools
	@scripts/setup.sh test

clean:
	rm -rf dist dist-test target
