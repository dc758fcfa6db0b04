# Pipelines, substitutions, background jobs, traps, here-documents, descriptors.
set -u
sort words | tee sorted | tr a-z A-Z | head -n 2
echo "status ${PIPESTATUS[*]}"
false | true | (exit 4)
echo "status ${PIPESTATUS[*]}"
for n in 1 2 3 4 5; do
    got=$(echo "$n" | cat | cat)
    [ "$got" = "$n" ] || echo "lost $n"
done
(sleep 0.01; exit 9) &
wait $!
echo "background $?"
trap 'echo "trapped"' USR1
kill -USR1 $$
cat <<EOF | wc -l
a
b
EOF
paste <(echo left) <(echo right)
exec 5>fifth
echo "to the fifth" >&5
exec 5>&-
cat fifth
echo "to /dev/stdout" >/dev/stdout
echo "nothing" >/dev/null
echo abc | while read -r line; do echo "read $line"; done
mapfile -t lines <sorted
echo "${#lines[@]} lines, last ${lines[-1]}"
[ -e missing ] || echo "missing is missing"
mkdir -p deep/er && cd deep/er && pwd -P | sed 's|.*/deep|deep|' && cd ../..
cat missing 2>/dev/null
echo "status $?"
no-such-program 2>/dev/null
echo "status $?"
bash -c 'kill -9 $$'
echo "status $?"
umask 077 && echo secret >private && stat -c %a private
rm private && mv fifth sixth && cp sixth seventh && ls
echo end
exit 7
