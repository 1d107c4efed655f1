#!/usr/bin/env bash
# Who may use the doors, and that who is slow, wrong or one too many harms itself alone.
. "$(dirname "$0")/lib.sh"

LIMITS="-o daemon.control_group=games -o daemon.control_admins=audio"
URL=http://127.0.0.1:9748

# as UID GID GROUPS COMMAND...: as another user, with these supplementary groups ("": none), in the laboratory
as() {
	local user=(--reuid "$1" --regid "$2") groups=$3
	shift 3
	if [ -n "$groups" ]; then user+=(--groups "$groups"); else user+=(--clear-groups); fi
	in_lab setpriv "${user[@]}" "$@"
}

# may UID GID GROUPS VERB EXIT-CODE
may() {
	local rc=0
	as "$1" "$2" "$3" "$DIR/afctl" -s "$SOCK" "$4" >/dev/null 2>"$DIR/said" || rc=$?
	equal "uid $1, group $2, groups '$3': $4" $rc "$5"
}

people() { # groups that there are, and programs that others can reach
	getent group games audio >/dev/null || skip "no groups games and audio"
	GAMES=$(getent group games | cut -d: -f3) AUDIO=$(getent group audio | cut -d: -f3)
	chmod 755 "$DIR"
	cp "$AFCTL" "$TOP/tests/live/slowclients.py" "$DIR"
	chmod 644 "$DIR/slowclients.py"
}

t_who_may_ask_and_who_may_change() {
	people
	# shellcheck disable=SC2086
	daemon_start -i va -j 1 -o output=none $LIMITS
	equal "mode" "$(stat -c %a "$SOCK")" 666
	while read -r uid gid groups status rotate; do
		may "$uid" "$gid" "${groups#-}" status "$status"
		may "$uid" "$gid" "${groups#-}" rotate "$rotate"
		may "$uid" "$gid" "${groups#-}" version 0
	done <<-P
		0 0 - 0 0
		0 65534 - 0 0
		65534 65534 - 4 4
		65534 0 - 4 4
		65534 65534 $((GAMES + 30000)) 4 4
		65534 $GAMES - 0 4
		65534 65534 7777,$GAMES 0 4
		65534 $AUDIO - 0 0
		65534 65534 7777,$AUDIO 0 0
		65534 $GAMES $AUDIO 0 0
	P
	may 65534 65534 "" status 4
	contains "a stranger" "$(cat "$DIR/said")" "permission denied: root, the daemon's user and the groups games and audio may read"
	may 65534 "$GAMES" "" rotate 4
	contains "who may only ask" "$(cat "$DIR/said")" "permission denied: root, the daemon's user and the group audio may do this"
	chmod 700 "$DIR"
	cp "$AFCTL" /tmp/afctl-$$
	rc=0
	as 65534 "$GAMES" "" /tmp/afctl-$$ -s "$SOCK" status 2>"$DIR/said" || rc=$?
	rm /tmp/afctl-$$
	equal "no way to the socket" $rc 4
	contains "no way to the socket" "$(cat "$DIR/said")" "permission denied: this user has no access to the socket"
	chmod 755 "$DIR"
	daemon_stop
}

t_the_daemons_user_may_all() {
	people
	chown 4242 "$DIR"
	setpriv --reuid 4242 --regid 4242 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw true 2>/dev/null ||
		skip "no ambient capabilities here"
	ip netns exec "$NS" setpriv --reuid 4242 --regid 4242 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw "$AFCAPD" \
		-i va -j 1 -o output=none -o daemon.control="$SOCK" -o daemon.metrics=off -o daemon.control_group= -o daemon.control_admins= \
		>"$DIR/out" 2>"$DIR/err" &
	DAEMON=$!
	PIDS="$PIDS $DAEMON"
	wait_for 20 daemon_running
	may 4242 7777 "" status 0
	may 4242 7777 "" rotate 0
	may 4243 4242 "" status 4
	daemon_stop
}

t_a_group_that_is_not_there_is_said_once() {
	people
	daemon_start -i va -j 1 -o output=none -o daemon.control_group=nonesuch -o daemon.control_admins=audio
	equal "said" "$(grep -c 'no group nonesuch' "$DIR/err")" 1
	may 65534 65534 "" status 4
	may 65534 "$AUDIO" "" rotate 0
	equal "still said once" "$(grep -c 'no group' "$DIR/err")" 1
	daemon_stop
}

# Python from standard input, with helpers for both doors: python UID GID GROUPS
python() {
	{
		cat <<-'P'
			import os, select, socket, sys, time
			sock = sys.argv[1]
			BUSY = float(os.environ["WAIT_FACTOR"])  # a slow or busy machine takes so many times as long
			STATUS = b'{"method":"org.afcap.control.Status"}\0'
			INFO = b'{"method":"org.varlink.service.GetInfo"}\0'
			GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
			def control():
			    s = socket.socket(socket.AF_UNIX)
			    s.settimeout(20 * BUSY)
			    while True:
			        try:
			            s.connect(sock)
			            return s
			        except BlockingIOError:  # many wait at the door
			            time.sleep(0.01)
			def all_places(count):  # once one is answered, whoever was there before is seen to have gone
			    first = control()
			    send(first, INFO)
			    assert b"afcapd" in (words := answer(first)), words
			    return [first] + [control() for _ in range(count - 1)]
			def http():
			    return socket.create_connection(("127.0.0.1", 9748), 20 * BUSY)
			def send(s, what):
			    try:
			        s.sendall(what)
			    except (BrokenPipeError, ConnectionResetError):
			        pass
			def rest(s):  # all there is until it closes
			    data = b""
			    try:
			        while more := s.recv(1 << 16):
			            data += more
			    except ConnectionResetError:
			        pass
			    return data
			def answer(s):  # one, of varlink
			    data = b""
			    while not data.endswith(b"\0"):
			        more = s.recv(1 << 16)
			        if not more:
			            return b"closed"
			        data += more
			    return data
			def page(s):  # one, of HTTP
			    data = b""
			    while b"\r\n\r\n" not in data:
			        more = s.recv(1 << 16)
			        assert more, data
			        data += more
			    head, body = data.split(b"\r\n\r\n", 1)
			    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
			    while len(body) < length:
			        body += s.recv(1 << 16)
			    assert len(body) == length, "more than one answer"
			    return head
			def cut(s, least, most, what):  # when it is closed, and its last words
			    begin = time.time()
			    words = rest(s)
			    took = time.time() - begin
			    assert least <= took <= most * BUSY, f"{what}: closed after {took:.2f} s"
			    return words
		P
		cat
	} | as "$1" "$2" "$3" /usr/bin/python3 - "$SOCK" || fail "clients"
}

t_strangers_are_told_and_take_no_place() {
	people
	# shellcheck disable=SC2086
	daemon_start -i va -j 1 -o output=none $LIMITS
	python 65534 65534 "" <<-'P'
		strangers = [control() for _ in range(100)]
		early = strangers[:99]
		def told(s):
		    words = rest(s)
		    assert words.count(b"\0") == 1 and b'"error":"org.afcap.control.PermissionDenied"' in words, words
		    assert b"may read" in words, words
		send(strangers[99], STATUS)  # as afctl does, at once
		told(strangers[99])
		# The others were looked at before: an answer without a request would be there
		assert not select.select(early, [], [], 0)[0], "answered before it asked"
		for s in early:
		    send(s, STATUS)
		for s in early:
		    told(s)
		s = control()
		send(s, INFO + STATUS * 1000)  # one answer all the same
		told(s)
		for nothing in b'{"method":"org.afcap.control.Status","oneway":true}\0', b"hello\0", b"x" * (1 << 20):
		    s = control()
		    send(s, nothing)
		    assert rest(s) == b"", "an answer to what is no call, or wants none"
	P
	python 65534 65534 "$GAMES" <<-'P'
		friends = all_places(24)
		for s in friends:
		    send(s, STATUS)
		    assert b"captures" in answer(s)
	P
	daemon_stop
}

# 128 may wait with their first request, for 5 s; the newest ones
t_strangers_that_never_ask() {
	people
	# shellcheck disable=SC2086
	daemon_start -i va -j 1 -o output=none $LIMITS
	python 65534 65534 "" <<-'P'
		begin = time.time()
		silent = [control() for _ in range(200)]
		for s in silent[:72]:
		    assert rest(s) == b"", "a word to who never asked"
		poll, taken = select.poll(), {}
		for s in silent[72:]:
		    poll.register(s.fileno(), select.POLLRDHUP | select.POLLHUP)
		while len(taken) < 128 and time.time() < begin + 30 * BUSY:
		    for fd, what in poll.poll(200):
		        taken[fd] = time.time() - begin
		        poll.unregister(fd)
		assert len(taken) == 128 and min(taken.values()) > 4, (len(taken), min(taken.values(), default=0))
		assert all(rest(s) == b"" for s in silent[72:]), "a word to who never asked"
		for _ in range(3):  # whoever comes is told, and friends have their slots
		    silent = [control() for _ in range(150)]
		    send(silent[-1], STATUS)
		    assert b"PermissionDenied" in rest(silent[-1])
	P
	may 65534 "$GAMES" "" status 0
	daemon_stop
}

# One of the group is refused, in words
full() {
	! as 65534 "$GAMES" "" "$DIR/afctl" -s "$SOCK" status >/dev/null 2>"$DIR/said" &&
		grep -qx "afctl: the daemon is busy: all slots for clients are in use; try again" "$DIR/said"
}

t_some_places_are_kept_for_who_may_change() {
	people
	# shellcheck disable=SC2086
	daemon_start -i va -j 1 -o output=none $LIMITS
	python 65534 65534 "$GAMES" >"$DIR/held" <<-'P' &
		friends = all_places(24)
		send(friends[0], b'{"method":"org.afcap.control.Stats","parameters":{"interval":0.1},"more":true}\0')
		for s in friends[1:]:
		    send(s, INFO)
		    assert b"afcapd" in (words := answer(s)), words
		print("all are held", flush=True)
		silent, late = control(), control()
		begin = time.time()
		send(late, STATUS)
		words = rest(late)
		assert not select.select([silent], [], [], 0)[0], "answered before it asked"
		silent.close()
		assert b'"error":"org.afcap.control.Busy"' in words and b"all slots" in words, words
		time.sleep(0.5)
		while True:  # until the others have asked, however long that takes
		    done = os.path.exists(os.path.join(os.path.dirname(sock), "asked"))
		    for s in friends[1:]:
		        send(s, INFO)
		        assert b"afcapd" in answer(s), "an idle client was cut for nothing"
		    if done:
		        break
		    time.sleep(0.25)
		# Who has asked nothing for 10 s leaves its place to a newcomer, who watches a stream does not
		begin = time.time()
		while True:
		    late = control()
		    send(late, STATUS)
		    if b"captures" in (words := answer(late)):
		        break
		    assert time.time() < begin + 15 * BUSY, words
		    time.sleep(0.25)
		assert time.time() > begin + 8.5, "who had just asked was cut"
		gone = [s for s in friends[1:] if select.select([s], [], [], 0)[0]]
		assert len(gone) == 1, gone
		for _ in range(3):
		    assert b"continues" in answer(friends[0])
	P
	others=$!
	PIDS="$PIDS $others"
	wait_for 10 grep -q "all are held" "$DIR/held" # whoever asks before that takes one
	wait_for 10 full
	may 0 0 "" status 0
	may 65534 "$AUDIO" "" rotate 0
	# Eight more, and there is no place for anybody
	python 0 0 "" <<-'P'
		friends = [control() for _ in range(8)]
		for s in friends:
		    send(s, INFO)
		    assert b"afcapd" in answer(s)
		late = control()
		send(late, STATUS)
		assert b"Busy" in rest(late)
	P
	: >"$DIR/asked"
	wait $others || fail "the group's clients"
	daemon_stop
}

t_control_clients_that_are_slow_or_deaf() {
	daemon_start -i va -j 1 -o output=none
	python 0 0 "" <<-'P'
		half, trickle, deaf, stream = (control() for _ in range(4))
		send(half, STATUS[:20])
		send(deaf, STATUS * 1000)
		send(stream, b'{"method":"org.afcap.control.Stats","parameters":{"interval":0.1},"more":true}\0')
		begin, taken = time.time(), {}
		poll = select.poll()
		names = {s.fileno(): n for s, n in ((half, "half"), (trickle, "trickle"), (deaf, "deaf"))}
		for fd in names:
		    poll.register(fd, select.POLLRDHUP | select.POLLHUP)
		send(trickle, b"{")
		while len(taken) < 3 and time.time() < begin + 25 * BUSY:
		    for fd, what in poll.poll(200):
		        taken[names[fd]] = time.time() - begin
		        poll.unregister(fd)
		    send(trickle, b'"')
		assert 4 < taken["half"] < 8 * BUSY and 4 < taken["trickle"] < 8 * BUSY, taken
		assert 9 < taken["deaf"] < 14 * BUSY, taken
		# Half-open: what was asked is answered, in order, and then it is closed
		s = control()
		send(s, INFO * 5 + STATUS)
		s.shutdown(socket.SHUT_WR)
		answers = rest(s).split(b"\0")
		assert len(answers) == 7 and b"captures" in answers[5] and all(b"afcapd" in a for a in answers[:5]), answers
		s = control()
		s.shutdown(socket.SHUT_WR)
		cut(s, 0, 2, "one that asks nothing")
	P
	daemon_stop
}

# Both are there when the supervisor looks: how far has it come with the one when the other is answered? It runs on Python's
# own CPU and gives way to it at once (SCHED_FIFO), so that it cannot go on while Python looks.
t_many_requests_in_a_row_hold_nobody_up() {
	daemon_start -i va -j 1 -o output=none
	export DAEMON
	python 0 0 "" <<-'P'
		import os, signal
		daemon = int(os.environ["DAEMON"])
		oneway = b'{"method":"org.afcap.control.Status","oneway":true}\0'
		cpu = {min(os.sched_getaffinity(0))}
		os.sched_setaffinity(0, cpu)
		os.sched_setaffinity(daemon, cpu)
		os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
		def until(state):
		    while open(f"/proc/{daemon}/stat").read().split()[2] != state:
		        time.sleep(0.0001)
		def ahead(asked, answers):
		    many, one = control(), control()
		    send(one, INFO)
		    answer(one)
		    until("S")
		    os.kill(daemon, signal.SIGSTOP)
		    until("T")
		    send(many, asked)
		    send(one, INFO)
		    os.kill(daemon, signal.SIGCONT)
		    answer(one)
		    many.setblocking(False)
		    try:
		        served = early = many.recv(1 << 20).count(b"\0")
		    except BlockingIOError:
		        served = early = 0
		    many.settimeout(20)
		    while served < answers:
		        served += many.recv(1 << 20).count(b"\0")
		    return early
		early = [ahead(STATUS * 1200, 1200) for _ in range(8)]
		assert max(early) <= 2, f"{early} answers before the other's one"
		early = [ahead(oneway * 1000 + INFO, 1) for _ in range(8)]
		assert max(early) == 0, "all that want no answer before the other's one"
	P
	daemon_stop
}

t_http_errors_in_words_and_bounded() {
	daemon_start -i va -j 1 -o output=none
	python 0 0 "" <<-'P'
		def says(request, code, close=True):
		    s = http()
		    send(s, request)
		    words = rest(s) if close else page(s)
		    assert words.startswith(b"HTTP/1.1 " + code), words[:200]
		    return words
		assert b"</HTML>" in says(b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"501 Not Implemented")
		says(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", b"413 ")
		says(b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"413 ")
		says(b"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"501 ")
		says(b"FLY /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"501 ")
		says(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"400 ")
		says(b"GET /" + b"x" * (1 << 20), b"400 ")
		says(GET[:-2] + b"X: " + b"x" * 9000 + b"\r\n\r\n", b"400 ")
		says(GET[:-2] + b"X: y\r\n" * 100000, b"400 ")
		says(b"hello\r\n\r\n", b"400 ")
		says(b"GET /nonesuch HTTP/1.1\r\nHost: x\r\n\r\n", b"404 ")
		head = says(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"200 ")
		assert head.endswith(b"\r\n\r\n") and b"\r\nContent-Length: " in head, "a body for HEAD"
		says(GET, b"200 ", close=False)
		# Several requests in one go, each answered, in order
		s = http()
		send(s, GET * 20 + b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		text = rest(s)
		assert text.count(b"HTTP/1.1 200 OK") == 21 and text.endswith(b"healthy\n"), text[-200:]
		# One after the other on one connection
		s = http()
		for _ in range(50):
		    send(s, GET)
		    page(s)
	P
	daemon_stop
}

t_slow_http_clients_are_cut() {
	daemon_start -i va -j 1 -o output=none
	python 0 0 "" <<-'P'
		kept = http()
		send(kept, GET)
		page(kept)
		silent, half, deaf, trickle = (http() for _ in range(4))
		send(half, GET[:-2])
		deaf.setblocking(False)
		begin, taken = time.time(), {}
		names = {s.fileno(): n for s, n in ((silent, "silent"), (half, "half"), (deaf, "deaf"), (trickle, "trickle"))}
		poll = select.poll()
		for fd in names:
		    poll.register(fd, select.POLLRDHUP)
		send(trickle, b"GET /")
		asked = 0
		while len(taken) < 4 and time.time() < begin + 40 * BUSY:
		    for fd, what in poll.poll(500):
		        taken[names[fd]] = time.time() - begin
		        poll.unregister(fd)
		    if "trickle" not in taken:
		        send(trickle, b"x")
		    try:
		        if "deaf" not in taken:
		            asked += deaf.send(GET * 1000)
		    except OSError:
		        pass
		for name in "silent", "half", "trickle":
		    assert 4 < taken[name] < 7 * BUSY, taken
		assert taken["deaf"] < 40 * BUSY, taken  # five seconds after nothing more fitted into its socket
		for s in half, trickle:
		    words = rest(s)
		    assert words.startswith(b"HTTP/1.1 408 ") and b"too long" in words, words
		assert rest(silent) == b""
		send(kept, GET)  # idle all the time, and still there
		page(kept)
	P
	daemon_stop
}

t_one_http_client_too_many() {
	daemon_start -i va -j 1 -o output=none
	python 0 0 "" <<-'P'
		def full(count=32):
		    clients = [http() for _ in range(count)]
		    for s in clients:
		        send(s, GET[:-2])
		    return clients
		# At once: before a second is over, when the first of them would be slow. A machine that is busy may need longer
		# for these lines once, not each time
		for attempt in range(20):
		    clients = full()
		    begin = time.time()
		    silent, s = http(), http()
		    send(s, GET)
		    words = rest(s)
		    late = time.time() - begin >= 0.9
		    # No page before a request: Go's HTTP takes that for a broken connection
		    answered = select.select([silent], [], [], 0)[0]
		    silent.close()
		    if not late:
		        break
		    for c in clients:
		        c.close()
		assert not late, "not at once"
		assert not answered, "answered before it asked"
		assert words.startswith(b"HTTP/1.1 503 ") and b"too many clients" in words, words
		# Who takes its time leaves its place to a newcomer, and is told
		time.sleep(max(0, begin + 1.2 - time.time()))
		s = http()
		send(s, GET)
		assert page(s).startswith(b"HTTP/1.1 200 ")
		gone = [c for c in clients if select.select([c], [], [], 0)[0]]
		assert len(gone) == 1 and rest(gone[0]).startswith(b"HTTP/1.1 408 "), gone
		# ... before those who are only idle, who do when nobody is slow
		other = http()
		send(other, GET)
		page(other)
		send(s, GET)
		page(s)
		for c in clients + [other]:
		    c.close()
		clients = full(31)
		send(s, GET)
		page(s)
		other = http()
		send(other, GET)
		page(other)
		assert s.recv(100) == b"", "the idle one was kept"
		for c in clients + [s, other]:
		    c.close()
		clients = full()
		for c in clients:
		    send(c, b"\r\n")
		    assert page(c).startswith(b"HTTP/1.1 200 ")
	P
	daemon_stop
}

t_metrics_beyond_loopback_are_warned_of() {
	for address in 0.0.0.0:9748 10.7.7.7:9748; do
		ip -n "$NS" addr replace 10.7.7.7/24 dev va
		daemon_start -i va -j 1 -o output=none -o daemon.metrics=$address
		contains "$address" "$(cat "$DIR/err")" "^<4>metrics = $address: .*reverse proxy"
		daemon_stop
	done
	for address in 127.0.0.1:9748 127.0.0.2:9748 "unix:$DIR/m"; do
		daemon_start -i va -j 1 -o output=none -o daemon.metrics="$address"
		! grep -q "reverse proxy" "$DIR/err" || fail "$address: $(cat "$DIR/err")"
		daemon_stop
	done
}

# What conf/nginx-metrics.conf says, by an nginx of the distribution
t_a_reverse_proxy_adds_tls_and_a_password() {
	local nginx
	nginx=$(PATH=$PATH:/usr/sbin command -v nginx) || skip "no nginx here"
	daemon_start -i va -j 1 -o output=none
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=afcap.test -addext subjectAltName=DNS:afcap.test \
		-keyout "$DIR/afcap.key" -out "$DIR/afcap.pem" 2>"$DIR/openssl" || fail "$(cat "$DIR/openssl")"
	echo "prometheus:$(openssl passwd -apr1 secret)" >"$DIR/afcap.password"
	{
		printf 'daemon off; pid nginx.pid; user root; error_log stderr; events {}\nhttp {\naccess_log off;\n'
		for place in client_body proxy fastcgi uwsgi scgi; do echo "${place}_temp_path $place;"; done
		sed "s|/etc/nginx|$DIR|" "$TOP/conf/nginx-metrics.conf"
		echo "}"
	} >"$DIR/nginx.conf"
	ip netns exec "$NS" "$nginx" -p "$DIR" -c "$DIR/nginx.conf" 2>"$DIR/nginx.err" &
	PIDS="$PIDS $!"
	ask() { in_lab curl -s --cacert "$DIR/afcap.pem" --resolve afcap.test:9749:127.0.0.1 -w '%{http_code}' "$@"; }
	reached() { ask https://afcap.test:9749/ || { cat "$DIR/nginx.err" >&2; return 1; }; }
	wait_for 10 reached
	equal "no password" "$(ask -o "$DIR/page" https://afcap.test:9749/metrics)" 401
	equal "a wrong one" "$(ask -o "$DIR/page" -u prometheus:x https://afcap.test:9749/metrics)" 401
	equal "without TLS" "$(ask -o "$DIR/page" -u prometheus:secret http://afcap.test:9749/metrics)" 400
	! grep -q afcap_ "$DIR/page" || fail "the metrics without TLS"
	for _ in $(seq 3); do
		equal "the password" "$(ask -o "$DIR/metrics" -u prometheus:secret https://afcap.test:9749/metrics)" 200
		said=$(promtool check metrics <"$DIR/metrics" 2>&1) || fail "promtool: $said"
		contains "a sample" "$(cat "$DIR/metrics")" '^afcap_packets_total{capture="va",'
	done
	equal "a certificate that is not trusted" "$(in_lab curl -s -o "$DIR/page" --resolve afcap.test:9749:127.0.0.1 \
		-w '%{ssl_verify_result}' https://afcap.test:9749/metrics)" 18
	daemon_stop
}

# RATE=300000: packets a second, for LONG (9) seconds
t_slow_clients_at_all_places_while_packets_come() {
	people
	export ASAN_OPTIONS=quarantine_size_mb=1:thread_local_quarantine_size_kb=64 # what is freed is no growth
	rate=${RATE:-100000} seconds=${LONG:-9}
	# shellcheck disable=SC2086
	daemon_start -i va -w "$OUT" -j 2 -o ring_size=256M $LIMITS
	in_lab curl -sf -o /dev/null $URL/metrics
	rss() { awk '/^VmRSS:/ { print $2 }' "/proc/$DAEMON/status"; }
	ip netns exec "$NS" setpriv --reuid 65534 --regid 65534 --groups "$GAMES" \
		/usr/bin/python3 "$DIR/slowclients.py" "$SOCK" 127.0.0.1:9748 32 >"$DIR/slow" &
	slow=$!
	PIDS="$PIDS $slow"
	wait_for 10 grep -q ready "$DIR/slow"
	wait_for 5 full
	send $((rate * seconds)) rate="$rate" size=64-200 # not over before they are all there, on a busy machine
	ticks() { awk '{ print $14 + $15 }' "/proc/$DAEMON/stat"; }
	before='' answered=0 spent=$(ticks) begin=$(date +%s%N)
	while kill -0 "$SENDER" 2>/dev/null; do
		may 0 0 "" status 0
		! in_lab curl -sf --max-time 5 -o "$DIR/metrics" $URL/metrics || answered=$((answered + 1))
		before=${before:-$(rss)}
		after=$(rss)
		[ $((after - before)) -lt 4096 ] || fail "memory grew from $before to $after kB"
	done
	wait "$SENDER"
	# Nothing spins: some of a CPU goes into answers and refusals
	spent=$(($(ticks) - spent)) took=$((($(date +%s%N) - begin) / 10000000))
	[ $((spent * 4)) -lt "$took" ] || fail "the supervisor took $spent of $took hundredths of a second"
	[ "$answered" -gt 3 ] || fail "$answered scrapes were answered"
	promtool check metrics <"$DIR/metrics" >/dev/null || fail "promtool"
	kill "$slow"
	wait "$slow"
	contains "all were cut again and again" "$(cat "$DIR/slow")" "^cut [1-9][0-9]"
	echo "# memory $before to $after kB, $answered scrapes, $(tail -1 "$DIR/slow") times, CPU $spent of $took"
	wait_for 10 counter_is written $((rate * seconds))
	daemon_stop
	equal "dropped" "$(account dropped)" 0
	equal "written" "$(account written)" "$((rate * seconds))"
}

run_tests
