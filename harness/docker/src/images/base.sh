# Writes the smallest root file system of a Debian suite to standard output, as a tar archive. As root.
# $1: the suite; $2: the mirror, or nothing for the suite's usual one.
set -eu

folder=$(mktemp -d)
trap 'rm -rf --one-file-system "$folder"' EXIT
trap 'exit 1' HUP INT TERM PIPE

debootstrap --variant=minbase --force-check-gpg \
  --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$1" "$folder/root" $2 >"$folder/log" ||
  { tail -n 20 "$folder/log" >&2; exit 1; }

cd "$folder/root"
# A mirror's index may be older than this machine's clock likes.
echo 'Acquire::Check-Valid-Until "false";' >etc/apt/apt.conf.d/50chaos
cat >etc/dpkg/dpkg.cfg.d/50chaos <<'END'
force-unsafe-io
path-exclude /usr/share/doc/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
END
# What a package brings is started by the image's entrypoint, not by the package.
printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
# Packages with alternatives link manuals, which is refused without the folders.
rm -rf usr/share/doc/* usr/share/info/* usr/share/locale/* usr/share/man/*
mkdir -p usr/share/man/man1 usr/share/man/man7
rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/*
mkdir -p var/cache/apt/archives/partial var/lib/apt/lists/partial

tar --numeric-owner --exclude='./dev/*' --exclude='./proc/*' --exclude='./run/*' --exclude='./sys/*' \
  --exclude='./tmp/*' -c .
