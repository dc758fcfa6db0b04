# Packs a tree, unpacks it elsewhere, and compares.
set -e
tar --sort=name --format=ustar --mtime=@0 --numeric-owner -cf packed.tar tree
gzip -n -k packed.tar
mkdir unpacked
tar -C unpacked -xzpf packed.tar.gz
cmp tree/big unpacked/tree/big
tar -tvf packed.tar | wc -l
ls -l unpacked/tree | cut -c 1-10
readlink unpacked/tree/link
gzip -t packed.tar.gz
exit 12
