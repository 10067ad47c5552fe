#!/usr/bin/env bash
# Install the real peers that some tests talk to, where that is possible without asking: as root on Debian or Ubuntu.
# Elsewhere those tests are skipped, each with a printed reason.
set -u
wanted=()
command -v ccx >/dev/null || wanted+=(calculix-ccx)
command -v chromium >/dev/null || wanted+=(chromium)
command -v nginx >/dev/null || wanted+=(nginx-light)
command -v caddy >/dev/null || wanted+=(caddy)
PATH="$PATH:/usr/sbin" command -v Orthanc >/dev/null || wanted+=(orthanc orthanc-dicomweb)
command -v pdftoppm >/dev/null || wanted+=(poppler-utils)
command -v dciodvfy >/dev/null || wanted+=(dicom3tools)
compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || wanted+=(postgresql)
[ ${#wanted[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "Not installed: ${wanted[*]} (needs root and apt-get); the tests that use them are skipped."
  exit 0
fi
echo "Installing ${wanted[*]} for the tests ..."
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -q --no-install-recommends "${wanted[@]}" >/tmp/vertebra-apt.log 2>&1; }
install || { apt-get update -q >/dev/null 2>&1 && install; } \
  || echo "Could not install ${wanted[*]} (see /tmp/vertebra-apt.log); the tests that use them are skipped."
exit 0
