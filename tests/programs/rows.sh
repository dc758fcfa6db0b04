# A database in the scratch directory: made, filled and asked by three processes.
set -e
directory=$(mktemp -d)
sqlite3 "$directory/t.db" "pragma journal_mode = wal; create table t (name text primary key, size int);"
{
    echo "begin;"
    for name in a b c d e; do echo "insert into t values ('$name', length('$name') + 41);"; done
    echo "commit;"
} | sqlite3 "$directory/t.db"
sqlite3 "$directory/t.db" "select name, size from t order by name desc limit 2; select sum(size) from t;"
sqlite3 "$directory/t.db" "insert into t values ('a', 1);" || echo "refused: $?"
sqlite3 "$directory/t.db" "vacuum; pragma integrity_check;"
rm -r "$directory"
exit 11
