# SPDX-License-Identifier: MIT
# What leaves the tree: installation, tarball, Debian package, container images.

# --- Installation ------------------------------------------------------------------

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system
install_sh = @BUILD=$(BUILD) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) UNITDIR=$(UNITDIR) httpd-conf/install.sh

MANUALS := $(PROGRAMS:%=$(BUILD)/man/emojify-%.8)

man: $(MANUALS)

# A page is written by hand but for its settings, which are the program's own table.
$(MANUALS): $(BUILD)/man/%.8: docs/man/%.8.in docs/man/settings.awk $(BUILD)/%
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D) && $(BUILD)/$* --help | awk -f docs/man/settings.awk - $< >$@

install: all man ## install below DESTDIR, PREFIX (/usr/local), SYSCONFDIR (/etc)
	$(install_sh) install

uninstall: ## remove what install put there, but changed files in SYSCONFDIR
	$(install_sh) uninstall

# The same bytes for the same commit.
DIST := build/emojify-api-$(VERSION).tar.gz
dist: ## a tarball of the last commit (build/emojify-api-VERSION.tar.gz)
	$(Q)mkdir -p build
	$(Q)git archive --format=tar --prefix=emojify-api-$(VERSION)/ HEAD | gzip -9n >$(DIST)
	@echo $(DIST)

deb: deps ## a Debian package of the last commit, and one with debug symbols (build/deb/)
	$(call install,$(DEPS_DEB))
	@$(MAKE) dist $(FETCHED)
	@VERSION=$(VERSION) EMOJI_ARTWORK=$(abspath $(EMOJI_ARTWORK)) FACE_NETWORK=$(abspath $(FACE_NETWORK)) docker/debian/build.sh $(DIST) build/deb

deploy-check: deps-deploy ## try the package in a fresh Debian, by docs/deployment.md (as root)
	@$(MAKE) deb pictures
	@VERSION=$(VERSION) tests/deploy-check.sh

clean: ## remove build/
	rm -rf build tests/browser/node_modules tests/containers/node_modules

# --- Container images ---------------------------------------------------------------

docker-check: pictures $(FETCHED) docker-check-yaml ## build the container images and run each, without a container engine (as root)
	$(call install,$(DEPS_DOCKER))
	@tests/docker-check.sh

docker-check-yaml: ## check docker/compose.yaml and docker/kubernetes against their schemas
	$(Q)[ tests/containers/node_modules/.package-lock.json -nt tests/containers/package-lock.json ] || \
		npm ci --prefix tests/containers --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	$(Q)node tests/containers/check-yaml.mjs
