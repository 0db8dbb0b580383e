# Sourced by scripts/bench. What a page of history, a search and a statistic cost when the tables have grown: asked of
# the real server over HTTP, beside the original's statements (OFFSET and COUNT(*), spec/seed-api.md §0.4) on the same
# tasks in a table of the original's shape with its indexes. The server's times include HTTP, JSON and the sign-in; the
# original's are SQL alone.

history_small=10000
history_users=1000

# history_fill DIR TASKS USER: every other task is USER's, the rest of a thousand others; a year, evenly.
history_fill() {
  sqlite3 "$1/webui.db" >/dev/null <<SQL
PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; PRAGMA temp_store = MEMORY;
BEGIN;
CREATE TEMP TABLE made AS
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $2),
timed AS (SELECT i, (unixepoch() - 31536000) * 1000 + CAST(i * (31536000000.0 / $2) AS INTEGER) AS at FROM n)
SELECT i, at, printf('%08x-%04x-7%03x-8000-%012x', at >> 16, at & 65535, i % 4096, i) AS id,
  CASE WHEN i % 2 THEN '$3' ELSE printf('member-%d', (i / 2) % $history_users) END AS user_id,
  CASE WHEN i % 20 < 17 THEN 'succeeded' WHEN i % 20 < 19 THEN 'failed' ELSE 'cancelled' END AS status,
  CASE i % 3 WHEN 0 THEN 'fal-ai/flux-1/schnell' WHEN 1 THEN 'fal-ai/flux-1/dev' ELSE 'fal-ai/flux-pro' END AS model,
  'a ' || CASE i % 5 WHEN 0 THEN 'lighthouse' WHEN 1 THEN 'harbour' WHEN 2 THEN 'crane' WHEN 3 THEN 'boat' ELSE 'gull' END
    || ' at dawn, oil on canvas, number ' || i AS prompt
FROM timed;
INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, prompt, params, images, quote, quote_rev, charged,
  created_at, updated_at, started_at, completed_at, legacy_id)
SELECT id, user_id, 'flux', 'text_to_image', model, status, prompt,
  json_object('prompt', prompt, 'num_images', 1, 'num_inference_steps', 28, 'guidance_scale', 3.5, 'image_size', 'square'),
  1, 5000, 1, CASE status WHEN 'succeeded' THEN 5000 ELSE 0 END, at, at + 9000, at + 1000, at + 9000, id FROM made;
INSERT INTO fg_task_file (task_id, position, file_id, sha256, mime, size, width, height)
SELECT id, 0, id, id, 'image/jpeg', 200000, 1024, 1024 FROM made WHERE status = 'succeeded';
INSERT INTO fg_user_counter (user_id, provider, status, n) SELECT user_id, 'flux', status, COUNT(*) FROM made GROUP BY user_id, status;
INSERT INTO fg_usage_hourly (hour, user_id, provider, model, succeeded, failed, cancelled, images, charged)
SELECT (at + 9000) / 3600000 * 3600000, user_id, 'flux', model, SUM(status = 'succeeded'), SUM(status = 'failed'),
  SUM(status = 'cancelled'), SUM(status = 'succeeded'), SUM(CASE status WHEN 'succeeded' THEN 5000 ELSE 0 END)
FROM made GROUP BY 1, 2, 4;
ATTACH '$1/original.db' AS original;
CREATE TABLE original.flux_tasks (id VARCHAR(255) PRIMARY KEY, user_id VARCHAR(255) NOT NULL, request_id VARCHAR(255) NOT NULL,
  model VARCHAR(100) NOT NULL, task_type VARCHAR(20) NOT NULL, status VARCHAR(20) NOT NULL, prompt TEXT, input_image_url TEXT,
  uploaded_image_url TEXT, num_images INTEGER, aspect_ratio VARCHAR(20), guidance_scale FLOAT, num_inference_steps INTEGER,
  seed INTEGER, safety_tolerance VARCHAR(10), strength FLOAT, sync_mode BOOLEAN, output_format VARCHAR(10),
  enable_safety_checker BOOLEAN, image_url TEXT, cloud_image_url TEXT, generation_time FLOAT, queue_position INTEGER,
  error_message TEXT, retry_count INTEGER, flux_response JSON, created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL,
  completed_at DATETIME, input_image_urls JSON, image_size JSON);
INSERT INTO original.flux_tasks SELECT id, user_id, 'request-' || id, model, 'text_to_image',
  CASE status WHEN 'succeeded' THEN 'SUCCESS' WHEN 'failed' THEN 'FAILED' ELSE 'CANCELLED' END, prompt, NULL, NULL, 1, '1:1', 3.5,
  28, i, '2', 0.95, 0, 'jpeg', 1, 'https://files.example/' || id, 'https://bucket.example/' || id, 8.0, NULL, NULL, 0,
  json_object('images', json_array(json_object('url', 'https://files.example/' || id))), datetime(at / 1000, 'unixepoch'),
  datetime(at / 1000 + 9, 'unixepoch'), datetime(at / 1000 + 9, 'unixepoch'), NULL, NULL FROM made;
CREATE INDEX original.idx_flux_tasks_user_status ON flux_tasks (user_id, status);
CREATE INDEX original.idx_flux_tasks_model_status ON flux_tasks (model, status);
CREATE INDEX original.idx_flux_tasks_user_id ON flux_tasks (user_id);
CREATE INDEX original.idx_flux_tasks_status ON flux_tasks (status);
CREATE INDEX original.idx_flux_tasks_request_id ON flux_tasks (request_id);
CREATE INDEX original.idx_flux_tasks_created_at ON flux_tasks (created_at);
COMMIT;
SQL
}

history_median() { sort -g | awk '{ v[NR] = $1 } END { printf "%.3f", v[int((NR + 1) / 2)] * 1000 }'; }
# Milliseconds of one request on an open connection, the median of 41.
history_ours() {
  curl -sf -H "Authorization: Bearer $history_token" -o /dev/null -w '%{time_total}\n' "$base/api/v1/$1#[1-41]" | history_median
}
# Milliseconds of the original's statements for one request, the median of 5 after one that warms.
history_theirs() {
  local file=$1 time
  shift
  for time in 0 1 2 3 4 5; do printf '.print run\n%s\n' "$*"; done |
    sqlite3 -cmd 'PRAGMA cache_size = -1000000' -cmd '.timer on' "$file" |
    awk '/^run$/ { if (n++ > 1) print t; t = 0 } /^Run Time/ { t += $4 } END { print t }' | history_median
}

# history_measure NAME TASKS: fills, serves, asks; the server's times in $work/history-NAME.
history_measure() {
  local name=$1 tasks=$2 dir=$work/history-$1.data user cursor began
  serve "history-$name.data" --sandbox
  history_token=$(curl -sf "$base/api/v1/auths/signup" -H 'Content-Type: application/json' \
    -d '{"name":"Ann","email":"ann@example.com","password":"correct horse"}' | tee "$work/history-user" | jq -r .token)
  user=$(jq -r .id "$work/history-user")
  stop
  began=$SECONDS
  history_fill "$dir" "$tasks" "$user"
  history_seconds=$((SECONDS - began))
  serve "history-$name.data" --sandbox
  # Deep: nine tenths down the member's history.
  history_deep=$((tasks / 2 * 9 / 10))
  cursor=$(sqlite3 "$dir/webui.db" "SELECT id FROM fg_task WHERE user_id = '$user' AND provider = 'flux' ORDER BY id DESC LIMIT 1 OFFSET $history_deep")
  {
    echo "first $(history_ours 'flux/history?limit=20')"
    echo "deep $(history_ours "flux/history?limit=20&cursor=$cursor")"
    echo "filtered $(history_ours "flux/history?limit=20&status=FAILED&cursor=$cursor")"
    echo "search $(history_ours "flux/history?limit=20&q=lighthouse%20canvas&cursor=$cursor")"
    echo "rare $(history_ours "flux/history?limit=20&q=nowhere&cursor=$cursor")"
    echo "own $(history_ours 'usage?step=day&by=model')"
  } >"$work/history-$name"
  # Every hour is rolled up before the sums of all users are asked for.
  wait_for 300 history_rolled_up "$dir"
  echo "all $(history_ours 'admin/usage?step=day&by=model')" >>"$work/history-$name"
  stop
}
history_rolled_up() {
  [ "$(sqlite3 "$1/webui.db" "SELECT (SELECT MAX(hour) FROM fg_usage_total) >= (SELECT MAX(hour) FROM fg_usage_hourly WHERE hour < (unixepoch() - 600) / 3600 * 3600000)")" = 1 ] || { sleep 1; false; }
}

bench_history() {
  local tasks=${BENCH_HISTORY:-1000000} user file page what theirs
  history_measure small "$history_small"
  history_measure large "$tasks"
  user=$(jq -r .id "$work/history-user")
  file=$work/history-large.data/original.db
  page="SELECT * FROM flux_tasks WHERE user_id = '$user'"
  local order='ORDER BY created_at DESC LIMIT 20 OFFSET' count="SELECT COUNT(*) FROM flux_tasks WHERE user_id = '$user'"
  local totals="SELECT COUNT(*) FROM flux_tasks; SELECT COUNT(*) FROM flux_tasks WHERE status = 'SUCCESS'; SELECT COUNT(*) FROM flux_tasks WHERE created_at >= datetime('now', 'start of day'); SELECT status, COUNT(*) FROM flux_tasks GROUP BY status; SELECT task_type, COUNT(*) FROM flux_tasks GROUP BY task_type;"
  row "history: $tasks tasks filled, s" "$history_seconds" "–" "–"
  history_row "first page, ms" first "$page $order 0; $count;"
  history_row "page at row $history_deep, ms" deep "$page $order $history_deep; $count;"
  history_row "failed ones from there on, ms" filtered "$page AND status = 'FAILED' $order $((history_deep / 10)); $count AND status = 'FAILED';"
  history_row "two words in the prompt, ms" search "$page AND prompt LIKE '%lighthouse%' AND prompt LIKE '%canvas%' $order $((history_deep / 5)); $count AND prompt LIKE '%lighthouse%' AND prompt LIKE '%canvas%';"
  history_row "a word that is nowhere, ms" rare "$page AND prompt LIKE '%nowhere%' $order 0; $count AND prompt LIKE '%nowhere%';"
  history_row "statistics of a member, 30 days by model, ms" own "SELECT COUNT(*) FROM flux_tasks WHERE user_id = '$user'; SELECT COUNT(*) FROM flux_tasks WHERE user_id = '$user' AND status = 'SUCCESS'; SELECT COUNT(*) FROM flux_tasks WHERE user_id = '$user' AND created_at >= datetime('now', 'start of day');"
  history_row "statistics of all, 30 days by model, ms" all "$totals"
  for what in first deep filtered search rare own all; do
    row "history: $what, $tasks tasks beside $history_small, ms" "$(history_figure large $what)" "$(history_figure small $what)" \
      "$(ratio "$(history_figure large $what)" "$(history_figure small $what)")"
  done
}
history_figure() { awk -v what="$2" '$1 == what { print $2 }' "$work/history-$1"; }
history_row() {
  local theirs ours
  theirs=$(history_theirs "$work/history-large.data/original.db" "$3")
  ours=$(history_figure large "$2")
  row "history: $1" "$ours" "OFFSET and COUNT(*) $theirs" "$(ratio "$ours" "$theirs")"
}
