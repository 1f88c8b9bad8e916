#!/usr/bin/env bash
# `follow.sh <url>` follows the URL with curl and writes one JSON object a line.
set -uo pipefail
url=$1

tell_event() {
  local text=${2//\\/\\\\}
  printf '{"event":"message","id":"%s","data":"%s"}\n' "$1" "${text//\"/\\\"}"
}
tell_state() { printf '{"state":"error","detail":"curl %s"}\n' "$1"; }

# sample curl
id=''
while true; do
  new_id=$id type='' data=''
  while IFS= read -r line; do
    case $line in
      'id: '*) new_id=${line#id: } ;;
      'event: '*) type=${line#event: } ;;
      'data: '*) data=${data:+$data$'\n'}${line#data: } ;;
      '')
        id=$new_id
        [[ -n $data && $type != tidegate.* ]] && tell_event "$id" "$data"
        type='' data=''
        ;;
    esac
  done < <(curl -sN --fail ${id:+-H "Last-Event-ID: $id"} "$url")
  wait $! || tell_state $? # 18 is a cut, 22 a refusal
  sleep 2
done
# end
