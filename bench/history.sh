# Sourced by scripts/bench. What a page of history, a search and a statistic cost when the tables have grown: asked of
# the real server over HTTP, beside the original's statements (OFFSET and COUNT(*), spec/seed-api.md §0.4) on the same
# tasks in a table of the original's shape with its indexes, on both engines. The server's times include HTTP, JSON and the
# sign-in; the original's are SQL alone.

history_small=10000
history_users=1000

# history_words ENGINE: what the engines spell differently.
history_words() {
  history_engine=$1
  if [ "$1" = sqlite ]; then
    history_name=SQLite
    numbers() { echo "(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1) SELECT i FROM n)"; }
    id="printf('%08x-%04x-7%03x-8000-%012x', at >> 16, at & 65535, i % 4096, i)"
    as_json() { echo "$1"; }
    as_time() { echo "datetime($1, 'unixepoch')"; }
    index_on() { echo "original.$1 ON flux_tasks"; }
  else
    history_name=PostgreSQL
    numbers() { echo "(SELECT i FROM generate_series(CAST(0 AS bigint), $1 - 1) AS n(i))"; }
    hex() { echo "lpad(to_hex($1), $2, '0')"; }
    id="$(hex 'at >> 16' 8) || '-' || $(hex 'at & 65535' 4) || '-7' || $(hex 'i % 4096' 3) || '-8000-' || $(hex i 12)"
    as_json() { echo "CAST($1 AS json)"; }
    as_time() { echo "to_timestamp($1) AT TIME ZONE 'UTC'"; }
    index_on() { echo "$1 ON original.flux_tasks"; }
  fi
}
# history_sql: of the server's database, what comes on the standard input; "original" is the original's.
history_sql() {
  if [ "$history_engine" = sqlite ]; then
    sqlite3 -cmd "ATTACH '$history_folder/original.db' AS original" "$history_folder/webui.db"
  else
    "$programs/psql" -qAtX -v ON_ERROR_STOP=1 "$history_url"
  fi
}

# history_fill TASKS USER: every other task is USER's, the rest of a thousand others; a year, evenly.
history_fill() {
  {
    if [ "$history_engine" = sqlite ]; then
      echo 'PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; PRAGMA temp_store = MEMORY;'
    else
      echo 'CREATE SCHEMA original; SET synchronous_commit = off; SET maintenance_work_mem = '"'512MB';"
    fi
    cat <<SQL
BEGIN;
CREATE TEMP TABLE made AS SELECT i, at, $id AS id,
  CASE WHEN i % 2 = 1 THEN '$2' ELSE 'member-' || ((i / 2) % $history_users) END AS user_id,
  CASE WHEN i % 20 < 17 THEN 'succeeded' WHEN i % 20 < 19 THEN 'failed' ELSE 'cancelled' END AS status,
  CASE i % 3 WHEN 0 THEN 'fal-ai/flux-1/schnell' WHEN 1 THEN 'fal-ai/flux-1/dev' ELSE 'fal-ai/flux-pro' END AS model,
  'a ' || CASE i % 5 WHEN 0 THEN 'lighthouse' WHEN 1 THEN 'harbour' WHEN 2 THEN 'crane' WHEN 3 THEN 'boat' ELSE 'gull' END
    || ' at dawn, oil on canvas, number ' || i AS prompt
FROM (SELECT i, ($(date +%s) - 31536000) * CAST(1000 AS BIGINT) + CAST(i * (31536000000.0 / $1) AS BIGINT) AS at FROM $(numbers "$1") AS counted) AS timed;
INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, prompt, params, images, quote, quote_rev, charged,
  created_at, updated_at, started_at, completed_at)
SELECT id, user_id, 'flux', 'text_to_image', model, status, prompt,
  '{"prompt":"' || prompt || '","num_images":1,"num_inference_steps":28,"guidance_scale":3.5,"image_size":"square"}',
  1, 5000, 1, CASE status WHEN 'succeeded' THEN 5000 ELSE 0 END, at, at + 9000, at + 1000, at + 9000 FROM made;
INSERT INTO fg_task_file (task_id, position, file_id, sha256, mime, size, width, height)
SELECT id, 0, id, id, 'image/jpeg', 200000, 1024, 1024 FROM made WHERE status = 'succeeded';
INSERT INTO fg_user_counter (user_id, provider, status, n) SELECT user_id, 'flux', status, COUNT(*) FROM made GROUP BY user_id, status;
INSERT INTO fg_usage_hourly (hour, user_id, provider, model, succeeded, failed, cancelled, images, charged)
SELECT (at + 9000) / 3600000 * 3600000, user_id, 'flux', model, SUM(CASE status WHEN 'succeeded' THEN 1 ELSE 0 END),
  SUM(CASE status WHEN 'failed' THEN 1 ELSE 0 END), SUM(CASE status WHEN 'cancelled' THEN 1 ELSE 0 END),
  SUM(CASE status WHEN 'succeeded' THEN 1 ELSE 0 END), SUM(CASE status WHEN 'succeeded' THEN 5000 ELSE 0 END)
FROM made GROUP BY 1, 2, 4;
CREATE TABLE original.flux_tasks (id VARCHAR(255) PRIMARY KEY, user_id VARCHAR(255) NOT NULL, request_id VARCHAR(255) NOT NULL,
  model VARCHAR(100) NOT NULL, task_type VARCHAR(20) NOT NULL, status VARCHAR(20) NOT NULL, prompt TEXT, input_image_url TEXT,
  uploaded_image_url TEXT, num_images INTEGER, aspect_ratio VARCHAR(20), guidance_scale FLOAT, num_inference_steps INTEGER,
  seed INTEGER, safety_tolerance VARCHAR(10), strength FLOAT, sync_mode BOOLEAN, output_format VARCHAR(10),
  enable_safety_checker BOOLEAN, image_url TEXT, cloud_image_url TEXT, generation_time FLOAT, queue_position INTEGER,
  error_message TEXT, retry_count INTEGER, flux_response JSON, created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL,
  completed_at TIMESTAMP, input_image_urls JSON, image_size JSON);
INSERT INTO original.flux_tasks SELECT id, user_id, 'request-' || id, model, 'text_to_image',
  CASE status WHEN 'succeeded' THEN 'SUCCESS' WHEN 'failed' THEN 'FAILED' ELSE 'CANCELLED' END, prompt, NULL, NULL, 1, '1:1', 3.5,
  28, i, '2', 0.95, FALSE, 'jpeg', TRUE, 'https://files.example/' || id, 'https://bucket.example/' || id, 8.0, NULL, NULL, 0,
  $(as_json "'{\"images\": [{\"url\": \"https://files.example/' || id || '\"}]}'"), $(as_time 'at / 1000'), $(as_time 'at / 1000 + 9'),
  $(as_time 'at / 1000 + 9'), NULL, NULL FROM made;
CREATE INDEX $(index_on idx_flux_tasks_user_status) (user_id, status);
CREATE INDEX $(index_on idx_flux_tasks_model_status) (model, status);
CREATE INDEX $(index_on idx_flux_tasks_user_id) (user_id);
CREATE INDEX $(index_on idx_flux_tasks_status) (status);
CREATE INDEX $(index_on idx_flux_tasks_request_id) (request_id);
CREATE INDEX $(index_on idx_flux_tasks_created_at) (created_at);
COMMIT;
SQL
    # As autovacuum would within the minute.
    [ "$history_engine" = sqlite ] || printf '%s;\n' 'VACUUM ANALYZE' CHECKPOINT
  } | history_sql >/dev/null
}

history_median() { sort -g | awk '{ v[NR] = $1 } END { printf "%.3f", v[int((NR + 1) / 2)] * 1000 }'; }
# Milliseconds of one request on an open connection, the median of 41.
history_ours() {
  curl -sf -H "Authorization: Bearer $history_token" -o /dev/null -w '%{time_total}\n' "$base/api/v1/$1#[1-41]" | history_median
}
# Milliseconds of the original's statements for one request, the median of 5 after one that warms.
history_theirs() {
  local time
  if [ "$history_engine" = sqlite ]; then
    for time in 0 1 2 3 4 5; do printf '.print run\n%s\n' "$*"; done |
      sqlite3 -cmd 'PRAGMA cache_size = -1000000' -cmd '.timer on' "$history_folder/original.db" |
      awk '/^run$/ { if (n++ > 1) print t; t = 0 } /^Run Time/ { t += $4 } END { print t }' | history_median
  else
    { printf '%s\n' 'SET search_path = original;' '\timing on'; for time in 0 1 2 3 4 5; do printf '\\echo run\n%s\n' "$*"; done; } |
      history_sql | awk '/^run$/ { if (n++ > 1) print t; t = 0 } /^Time:/ { t += $2 / 1000 } END { print t }' | history_median
  fi
}

# history_measure NAME TASKS: fills, serves, asks; the server's times in $work/history-NAME.
history_measure() {
  local name=history-$history_engine-$1 tasks=$2 user cursor began there=()
  history_folder=$work/$name
  if [ "$history_engine" = postgresql ]; then
    history_url=$(new_database "history_$1")
    there=(--database-url "$history_url")
  fi
  serve "$name" --sandbox "${there[@]}"
  history_token=$(curl -sf "$base/api/v1/auths/signup" -H 'Content-Type: application/json' \
    -d '{"name":"Ann","email":"ann@example.com","password":"correct horse"}' | tee "$work/history-user" | jq -r .token)
  user=$(jq -r .id "$work/history-user")
  stop
  began=$SECONDS
  history_fill "$tasks" "$user"
  history_seconds=$((SECONDS - began))
  serve "$name" --sandbox "${there[@]}"
  # Deep: nine tenths down the member's history.
  history_deep=$((tasks / 2 * 9 / 10))
  cursor=$(history_sql <<<"SELECT id FROM fg_task WHERE user_id = '$user' AND provider = 'flux' ORDER BY id DESC LIMIT 1 OFFSET $history_deep;")
  {
    echo "first $(history_ours 'flux/history?limit=20')"
    echo "deep $(history_ours "flux/history?limit=20&cursor=$cursor")"
    echo "filtered $(history_ours "flux/history?limit=20&status=FAILED&cursor=$cursor")"
    echo "search $(history_ours "flux/history?limit=20&q=lighthouse%20canvas&cursor=$cursor")"
    echo "rare $(history_ours "flux/history?limit=20&q=nowhere&cursor=$cursor")"
    echo "own $(history_ours 'usage?step=day&by=model')"
  } >"$work/$name.times"
  # Every hour is rolled up before the sums of all users are asked for.
  wait_for 600 history_rolled_up
  echo "all $(history_ours 'admin/usage?step=day&by=model')" >>"$work/$name.times"
  stop
}
history_rolled_up() {
  [ "$(history_sql <<<"SELECT CASE WHEN (SELECT MAX(hour) FROM fg_usage_total) >= (SELECT MAX(hour) FROM fg_usage_hourly
    WHERE hour < ($(date +%s) - 600) / 3600 * CAST(3600000 AS BIGINT)) THEN 1 ELSE 0 END;")" = 1 ] || { sleep 1; false; }
}

bench_history() {
  postgres
  local engine
  for engine in sqlite postgresql; do
    history_words "$engine"
    history_rows
  done
}
history_rows() {
  local tasks=${BENCH_HISTORY:-1000000} user page what
  history_measure small "$history_small"
  history_measure large "$tasks"
  user=$(jq -r .id "$work/history-user")
  page="SELECT * FROM flux_tasks WHERE user_id = '$user'"
  local order='ORDER BY created_at DESC LIMIT 20 OFFSET' count="SELECT COUNT(*) FROM flux_tasks WHERE user_id = '$user'"
  local midnight
  midnight="'$(date -u +%Y-%m-%d) 00:00:00'"
  local today="created_at >= $midnight"
  local totals="SELECT COUNT(*) FROM flux_tasks; SELECT COUNT(*) FROM flux_tasks WHERE status = 'SUCCESS'; SELECT COUNT(*) FROM flux_tasks WHERE $today; SELECT status, COUNT(*) FROM flux_tasks GROUP BY status; SELECT task_type, COUNT(*) FROM flux_tasks GROUP BY task_type;"
  row "$history_name: $tasks tasks filled, s" "$history_seconds" "–" "–"
  history_row "first page, ms" first "$page $order 0; $count;"
  history_row "page at row $history_deep, ms" deep "$page $order $history_deep; $count;"
  history_row "failed ones from there on, ms" filtered "$page AND status = 'FAILED' $order $((history_deep / 10)); $count AND status = 'FAILED';"
  history_row "two words in the prompt, ms" search "$page AND prompt LIKE '%lighthouse%' AND prompt LIKE '%canvas%' $order $((history_deep / 5)); $count AND prompt LIKE '%lighthouse%' AND prompt LIKE '%canvas%';"
  history_row "a word that is nowhere, ms" rare "$page AND prompt LIKE '%nowhere%' $order 0; $count AND prompt LIKE '%nowhere%';"
  history_row "statistics of a member, 30 days by model, ms" own "$count; $count AND status = 'SUCCESS'; $count AND $today;"
  history_row "statistics of all, 30 days by model, ms" all "$totals"
  for what in first deep filtered search rare own all; do
    row "$history_name: $what, $tasks tasks beside $history_small, ms" "$(history_figure large $what)" "$(history_figure small $what)" \
      "$(ratio "$(history_figure large $what)" "$(history_figure small $what)")"
  done
}
history_figure() { awk -v what="$2" '$1 == what { print $2 }' "$work/history-$history_engine-$1.times"; }
history_row() {
  local theirs ours
  theirs=$(history_theirs "$3")
  ours=$(history_figure large "$2")
  row "$history_name: $1" "$ours" "OFFSET and COUNT(*) $theirs" "$(ratio "$ours" "$theirs")"
}
