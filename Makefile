# A thin front for the scripts in tools/, which do the work: `make help`.

.PHONY: all lib demo check check-programs check-debian check-packages wheel deb bench docs install uninstall setup clean help
.SILENT:

# What these scripts are told by; given to make or in the environment.
export PYTHON CC BUILD PREFIX DESTDIR SETUP
ifeq ($(origin CC),default)
unexport CC
endif

all:
	tools/setup build
	tools/build
	echo "make: done; next: make demo, make check, make install (make help)"

lib:
	tools/setup lib
	tools/build lib

demo:
	tools/setup demo
	tools/build demo
	tools/demo "$$(tools/build --where)"

# The parts of the test run build what they need.
check:
	tools/setup check pages docs
	tools/check

# It installs database servers, brokers and what else the programs talk to.
check-programs:
	tools/setup programs
	tools/check programs

# In a root of another Debian release, which is made if there is none yet.
check-debian:
	tools/check-debian $(RELEASE)

# Build packages, install, use and remove them in roots of other releases.
check-packages:
	tools/setup package
	tools/check packages

wheel:
	tools/setup package
	tools/packages wheel

deb:
	tools/setup package
	tools/packages deb

bench:
	tools/setup bench
	tools/build bench
	build="$$(tools/build --where)" && tools/bench --save "$$build/figures.json" "$$build"

docs:
	tools/setup docs
	tools/build
	tools/site "$$(tools/build --where)"

install:
	tools/setup lib
	tools/build --install

uninstall:
	tools/build --uninstall

setup:
	tools/setup

clean:
	tools/build --clean

help:
	sed -n 's/^#help \{0,1\}//p' Makefile

#help make            the packages that are missing, then: library, command,
#help                 manual, Python package and examples, into build/
#help make lib        the C library, command and manual alone
#help make demo       build, then show what it is for
#help make check      build, then run the tests (tools/check runs some)
#help make check-programs  run programs of gevent's users beside their servers,
#help                 which it installs
#help make check-debian RELEASE=trixie   run tests in another release of Debian
#help make wheel      wheels for pip, into build/packages
#help make deb        Debian packages for this release, into build/packages
#help make check-packages  make them, install, use and remove them
#help make bench      build, then run the benchmarks (tools/bench runs some)
#help make docs       build, then make a site of the documentation: build/site
#help make install    build and install the library, command and manual
#help make uninstall  remove that, from the same PREFIX and DESTDIR
#help make setup      the packages for all of that (tools/setup --list)
#help make clean      remove the build directories
#help
#help PYTHON=python3.13   the interpreter that the package is for; it gets a
#help                     build directory of its own, build-python3.13, and so
#help                     has PYTHON=/some/where/bin/python3
#help CC=clang            the compiler, with options if need be; build-clang
#help BUILD=/some/dir     build there; the checkout may be read-only
#help PREFIX=/usr/local   where to install; below DESTDIR, if that is given
#help SETUP=no            leave the packages alone
