# Everything by applets of busybox.
set -u
b=/usr/bin/busybox
$b seq 1 20 | $b grep 1 | $b sort -rn | $b head -n 3
$b printf 'b a\n' | $b awk '{ print $2, $1 }'
$b mkdir -p out/deep
$b echo "line" >out/file
$b cp out/file out/deep/copy
$b ln -s file out/link
$b tar -C out -cf out.tar deep file link
$b tar -tf out.tar | $b sort
$b gzip -c out/file | $b gunzip
$b find out -type f | $b sort
$b md5sum out/file
$b sh -c 'exit 3'
$b echo "status $?"
$b rm -r out/deep
$b ls out
$b stat -c '%a %F' out/file
exit 8
