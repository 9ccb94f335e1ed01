#!/usr/bin/env bash
# Give the project the name that is the argument, in all texts and paths that git knows or would add.
# The package is written with underscores; distribution, bucket and command have hyphens. Longer words stay as they are.
set -euo pipefail
export LC_ALL=C

fail() {
    echo "error: $1" >&2
    exit 1
}
list_files() { git ls-files --cached --others --exclude-standard "$@"; }
find_texts() { git grep --untracked -lIwF "$@"; }

new=$1
old=$(sed -n '/^name = /{s/.*"\(.*\)"/\1/p;q;}' pyproject.toml | tr - _)
is_taken='import importlib.util, keyword, sys; name = sys.argv[1]
sys.exit(not (keyword.iskeyword(name) or importlib.util.find_spec(name)))'

[[ $new =~ ^[a-z][a-z0-9]*(_[a-z0-9]+)*$ ]] ||
    fail "'$new' is no name of a package: use small letters, digits and single underscores"
((${#new} >= 3 && ${#new} <= 30)) || fail "$new has ${#new} characters: use 3 to 30"
! "${PYTHON:-python3}" -Pc "$is_taken" "$new" || fail "the name $new is taken: use another one"
[[ $new != *_* || $old == *_* ]] || fail "$old is one word: use one word again"
git status > /dev/null || fail "git does not list the files of $PWD: run git init"
names=(-e "$new" -e "${new//_/-}")
place=$({ list_files | grep -wF "${names[@]}"; find_texts "${names[@]}"; } | head -n 1) || true
[[ -z $place ]] || fail "$new stands in $place: use another name"

replace="s/(?<!\w)$old(?!\w)/$new/g; s/(?<!\w)${old//_/-}(?!\w)/${new//_/-}/g;"
find_texts -z -e "$old" -e "${old//_/-}" | xargs -0 perl -pi -e "$replace"
# Each folder of a path, from the outermost, and the file.
list_files -z | perl -0lne '
    my $folder = "";
    for (split "/") {
        my $old = "$folder$_";
        '"$replace"'
        rename $old, "$folder$_";
        $folder .= "$_/";
    }'
