"""Scripts for etcdctl and those that must be like it: CTL is the client, one line one step."""

PUT_AND_GET = r"""
CTL put a 1
CTL put a 2 --prev-kv
CTL put b $'x<&>\n"\x01\xff\u00e9\t\\' -w json
CTL put b $'x<&>\n"\x01\xff\u00e9\u2028\u00ad\U0001f600\x7f' --prev-kv -w fields
CTL put b two words
echo from standard input | CTL put c
CTL put c -- -dash
CTL put -- --d -v
CTL put empty ''
CTL put
CTL put a < /dev/null
CTL put '' v
CTL put --ignore-value a
CTL put --ignore-value a v
CTL put --ignore-value=false a v
CTL put --ignore-value nokey
CTL put --lease=zz a b
CTL put --lease=5 a b
CTL put a 3 --prev-kv -w json
CTL put a 3 --prev-kv -w protobuf | xxd
CTL put a 3 -w table
CTL put a 3 -w yaml
CTL get a
CTL get a -w json
CTL get b -w json
CTL get a -w fields
CTL get b -w fields
CTL get a -w protobuf | xxd
CTL get a -w table
CTL get a --hex
CTL get b --hex
CTL --hex=true get --prefix ''
CTL get nokey
CTL get nokey -w json
CTL get
CTL get ''
CTL get a b c
CTL get -- --d
CTL get --write-out json a
CTL -wjson get a
CTL -w=json get a
CTL --cacert= get a
CTL --cert nofile get a
"""

RANGES = r"""
for i in 5 3 1 4 2; do CTL put key$i value$((9-i)); done
CTL put key3 again
CTL put other x
CTL get key2 key4
CTL get --prefix key
CTL get --prefix ''
CTL get --prefix '' --keys-only
CTL get --prefix key --print-value-only
CTL get key1 --keys-only --print-value-only
CTL get key1 --print-value-only -w json
CTL get --from-key key4
CTL get --from-key ''
CTL get --prefix --limit 2 key
CTL get --prefix --limit=2 key -w json
CTL get --prefix --limit=-1 key
CTL get --prefix key --order ascend
CTL get --prefix key --order DESCEND --limit 2
CTL get --prefix key --sort-by create
CTL get --prefix key --sort-by modify --order descend
CTL get --prefix key --sort-by VERSION --order descend
CTL get --prefix key --sort-by value
CTL get --prefix key --sort-by key --order ascend
CTL get --prefix key --order upwards
CTL get --prefix key --sort-by weight
CTL get --consistency s key1
CTL get --consistency l key1
CTL get --consistency x key1
CTL get key3 --rev 3
CTL get key3 --rev=0x3
CTL get key3 --rev 999
CTL get key1 key2 --prefix
CTL get key1 --prefix --from-key
CTL get key1 key2 --from-key
CTL get key1 --prefix=false
CTL get $'\xff' --prefix
CTL get $'k\xff' --prefix -w json
CTL compaction 5
CTL compaction 5
CTL compaction 500000
CTL compaction
CTL compaction x
CTL compaction 6 --physical -w json
CTL get key3 --rev 3
CTL del key1
CTL del key2 key4 --prev-kv
CTL del nokey
CTL del nokey -w json
CTL del ''
CTL del
CTL del a b c
CTL del a b --prefix
CTL del key4 --prev-kv -w fields
CTL del --prefix key --prev-kv -w json
CTL del --prefix '' -w protobuf | xxd
CTL del --from-key ''
"""

TRANSACTIONS = r"""
t() { printf "$1" | CTL txn $2; }
CTL put a b
t 'val("a") = "b"\n\nput k "hello world"\nget a\ndel zz\n\nget nokey\n\n'
t 'val("a") = "c"\n\nput k "hello world"\n\nget nokey\nget a\nput a c --prev-kv\n\n'
t 'val("a") = "c"\n\nput k "x y" --prev-kv\nget a\ndel a --prev-kv\n\n\n' '-w json'
t 'val("a") = "c"\n\n\nput k "x\\ty"\nget "" --prefix\ndel k --prev-kv\n\n' '-w fields'
t '\nput k v\nget k\n\n\n' '-w protobuf' | xxd
t '\nput k v\n\n\n' -i
t '\nput k v\n\n\n' --interactive=true
t '\nput k v\n\n\n' '-w table'
t 'mod("k") > "0"\nversion("k") < "99"\ncreate("k")  !=  "0"\nvalue("k") = "v"\n\nget k\n\n\n'
t 'm("k") < "5"\n\nget k\n\n\n'
t 'ver("k") = "1"\nc("k") > "1"\nval("k") > "a"\n\nget k\n\n\n'
t 'mod("none") = "0"\n\nget k\n\n\n'
t 'val(`a`) = `c`\n\nget k\n\nget k\n\n'
t 'mod("k") = "1" trailing\n\nput k v\n\n\n'
t '  val("\x61") = "\\u0063"  \r\n\nget k\n\nget a\n\n'
t '\nput k v\n\n'
t '\nput k v\n\nget k\n'
t ''
t 'val("k"\n\n\n\n'
t 'bad("k") = "1"\n\n\n\n'
t 'val\n\n\n\n'
t 'mod(k) = "1"\n\n\n\n'
t 'mod("k")="1"\n\n\n\n'
t 'mod( "k" ) = "1"\n\n\n\n'
t 'mod ("k") = "1"\n\n\n\n'
t 'mod("k") ="1"\n\n\n\n'
t 'mod("k") =\n\n\n\n'
t 'val("k") = v\n\n\n\n'
t '\nput k\n\n\n'
t '\nfoo k\n\n\n'
t '\nput\n\n\n'
t '\nput k v\nput k w\n\n\n'
t '\nget k --rev 1000\n\n\n'
t '\nget "" --prefix --limit 2 --keys-only\n\n\n'
t '\nget "" --prefix --sort-by MODIFY --order=descend\n\n\n'
t '\nput a "it'"'"'s"\nput b it'"'"'s\nput c "a\\x41\\u00e9"\nget a\nget b\nget c\n\n\n'
t '\nput d a"b"c\nput e "two ""words"\nget d\nget e\n\n\n'
t '\ndel --from-key c --prev-kv\ndel a b\n\n\n'
t '\nput e "" --lease=0\n\n\n'
t '\nput f x --lease=77\n\n\n'
CTL txn word
"""

ENVIRONMENT = r"""
CTL put k v
ETCDCTL_WRITE_OUT=json CTL get k
ETCDCTL_HEX=true CTL get k
ETCDCTL_COMMAND_TIMEOUT=3s CTL get k
E=$ETCDCTL_ENDPOINTS; unset ETCDCTL_ENDPOINTS ETCDCTL_COMMAND_TIMEOUT
CTL --endpoints=$E get k
CTL --endpoints=http://$E get k
CTL get --endpoints 127.0.0.1:1,$E k
CTL get k --endpoints 127.0.0.1:1 --endpoints $E
CTL --endpoints 127.0.0.1:1 --command-timeout 300ms get k
CTL --endpoints 127.0.0.1:1 --command-timeout 300ms put k v
CTL --endpoints https://$E --command-timeout=300ms get k
"""

LEASES = r"""
CTL lease grant 100
CTL lease grant 100 -w json
CTL lease grant 100 -w fields
CTL lease grant 100 -w table
CTL lease grant
CTL lease grant x
CTL lease grant 10 20
CTL lease grant 100 > lease; L=$(cut -d' ' -f2 lease)
CTL put lk v --lease=$L
CTL put lk v2 --ignore-lease --prev-kv -w json
CTL get lk -w fields
CTL lease timetolive $L
CTL lease timetolive $L --keys
CTL lease timetolive $L -w json
CTL lease timetolive $L -w json --keys
CTL lease timetolive $L -w fields --keys
CTL lease timetolive $L -w table
CTL lease timetolive
CTL lease timetolive zz
CTL lease timetolive 77
CTL lease timetolive 77 -w json
CTL lease keep-alive --once $L
CTL lease keep-alive --once $L -w json
CTL lease keep-alive --once $L -w fields
CTL lease keep-alive --once 77
CTL lease keep-alive 77
CTL lease keep-alive
CTL lease revoke
CTL lease revoke zz
CTL lease revoke 77
CTL lease revoke $L
CTL get lk
CTL lease revoke $L -w json
CTL lease list | head -1
for L in $(CTL lease list | tail -n +2); do CTL lease revoke $L -w json; done
CTL lease list
CTL lease list -w json
CTL lease list -w fields
"""

CLUSTER = r"""
CTL put a 1
CTL member list
CTL member list -w json
CTL member list -w fields
CTL member list -w table
CTL member list -w protobuf | xxd
CTL endpoint health | wc -l
CTL endpoint health --cluster -w json
CTL endpoint hashkv
CTL endpoint hashkv -w json
CTL endpoint hashkv -w fields --cluster
CTL endpoint hashkv -w table
CTL endpoint hashkv -w protobuf
CTL endpoint hashkv --rev 1000
CTL endpoint status | cut -d, -f1-3,5,6
CTL endpoint status -w table | head -2 | tail -1 | tr -d ' '
CTL endpoint status -w fields | grep -v -e Index -e Size
CTL endpoint status -w protobuf
CTL alarm list
CTL alarm list -w json
CTL alarm list -w table
CTL alarm list x
CTL alarm disarm
CTL defrag
CTL defrag --cluster
CTL move-leader
CTL move-leader zz
CTL move-leader 5
CTL member add
CTL member add x
CTL member remove
CTL member remove zz
CTL member remove 5
CTL member update 5
CTL member update 5 --peer-urls=http://127.0.0.1:9
CTL member promote
CTL member promote 5
ID=$(CTL member list | cut -d, -f1)
CTL member update $ID --peer-urls=http://127.0.0.1:9
CTL member list
CTL member add new --peer-urls=http://127.0.0.1:8 --learner | sed 's/^Member *[0-9a-f]*/Member/' | tr '=,"' '\n\n\n' | sort
CTL member list | cut -d, -f2- | sort
NEW=$(CTL member list | grep unstarted | cut -d, -f1)
CTL member promote $NEW
CTL member remove $NEW | sed 's/^Member *[0-9a-f]*/Member/'
CTL member list
"""

SNAPSHOTS = r"""
for i in $(seq 300); do echo "put key$i value$i"; done > puts
for i in 1 2 3; do (echo; sed -n "$((i*100-99)),$((i*100))p" puts; echo; echo) | CTL txn | head -1; done
CTL del key7
CTL snapshot save
CTL snapshot save a b
CTL snapshot save s.db
test $(stat -c %s s.db) -gt 20000
CTL snapshot status s.db | cut -d, -f2-3
CTL snapshot status s.db -w json | tr , '\n' | grep -v -e hash -e Size
CTL snapshot status s.db -w fields | grep -e Rev -e Keys
CTL snapshot status s.db -w table | head -2 | tr -d ' -'
CTL snapshot status s.db -w protobuf
CTL snapshot status nofile
CTL snapshot status
CTL snapshot save nowhere/s.db
ls
"""

WATCHES = r"""
CTL put w 1
CTL put w 2
CTL put x 1
CTL del w
CTL compaction 2
watching() { N=$1; shift; : > out; (CTL watch "$@" > out & P=$!; until [ $(wc -l < out) -ge $N ]; do sleep 0.02; done; kill $P; wait $P); cat out; }
: etcd may send the past of a watch before it has noted that the watch wants previous values
heeding() { N=$1; MARK=$2; shift 2; until T=0; : > out; (CTL watch "$@" > out & P=$!; until [ $(wc -l < out) -ge $N ] || [ $((T += 1)) -gt 100 ]; do sleep 0.02; done; kill $P; wait $P); [ $(wc -l < out) -ge $N ] && grep -q "$MARK" out; do :; done; cat out; }
watching 8 w --rev 2
heeding 10 PUT w --rev 2 --prev-kv
heeding 1 prev_kv w --rev 2 --prev-kv -w json
watching 21 w --rev 2 -w fields
watching 11 '' --prefix --rev 2
watching 11 a z --rev 2
watching 8 w --rev 2 --hex
watching 8 w --rev 3 -- sh -c 'echo "$ETCD_WATCH_REVISION $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE"'
CTL watch w --rev 1
CTL watch w --rev 1 -w json
CTL watch w --rev 1 -w table
CTL watch w --rev 3 -- false
CTL watch w --rev 3 -- no-such-program
CTL watch
CTL watch w --
CTL watch w z --prefix
ETCDCTL_WATCH_KEY=w CTL watch w
ETCDCTL_WATCH_RANGE_END=w CTL watch
printf 'watch w --rev 3\nfoo\n\nwatch\n' | CTL watch -i > /dev/null
(echo 'watch w --rev 3'; until [ $(wc -l < iout) -ge 6 ]; do sleep 0.02; done; echo 'watch x --rev 3 -- echo program'; until [ $(wc -l < iout) -ge 10 ]; do sleep 0.02; done) | CTL watch -i > iout
cat iout
ETCDCTL_WATCH_KEY=w watching 8 --rev 2
"""

LOCKS_AND_ELECTIONS = r"""
CTL lock
CTL lock l true
CTL get --prefix l --keys-only
CTL lock l -- sh -c 'echo $ETCD_LOCK_KEY $ETCD_LOCK_REV'
CTL lock l no-such-program
CTL lock l --ttl 5 echo one two
CTL get --prefix l
held() { (CTL "$@" > held & P=$!; until [ -s held ]; do sleep 0.02; done; CTL get --prefix l --keys-only; kill -INT $P; wait $P; echo "<$?>"; cat held; rm held); }
held lock l
held lock l -w fields
CTL get --prefix l
CTL elect
CTL elect e
CTL elect e v -l
CTL elect a b c
held elect e v1
CTL get --prefix e
"""
