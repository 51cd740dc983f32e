#!/bin/bash
# The gate of a CI job: one run of the verifier, its report in every form, and its exit status.
#
#   VERIFIER_SPEC                        a specification, or …
#   VERIFIER_SHIPPED, VERIFIER_REBUILT   … two files or directories
#   VERIFIER_POLICY, VERIFIER_FAIL_ON    as --policy and --fail-on; empty is the default
#   VERIFIER_OUT                         where reports go (default: verifier-reports)
#
# Whatever goes wrong ends with a status other than 0.
set -euo pipefail

out="${VERIFIER_OUT:-verifier-reports}"
mkdir -p "$out"
rm -f "$out"/report.*
options=(--json "$out/report.json" --proof "$out/report.proof.json" --markdown "$out/report.md")
options+=(--sarif "$out/report.sarif" --junit "$out/report.xml" --html "$out/report.html")
[ -z "${VERIFIER_POLICY:-}" ] || options+=(--policy "$VERIFIER_POLICY")
[ -z "${VERIFIER_FAIL_ON:-}" ] || options+=(--fail-on "$VERIFIER_FAIL_ON")

if [ -n "${VERIFIER_SPEC:-}" ]; then
    run=(verify "${options[@]}" --output "$(mktemp -d "$out/run-XXXXXX")" -- "$VERIFIER_SPEC")
elif [ -n "${VERIFIER_SHIPPED:-}" ] && [ -n "${VERIFIER_REBUILT:-}" ]; then
    run=(compare "${options[@]}" -- "$VERIFIER_SHIPPED" "$VERIFIER_REBUILT")
else
    echo "Set VERIFIER_SPEC, or VERIFIER_SHIPPED and VERIFIER_REBUILT." >&2
    exit 2
fi

status=0
verifier "${run[@]}" || status=$?
if [ ! -s "$out/report.json" ]; then
    echo "There is no report; nothing was concluded." >&2
    [ "$status" != 0 ] || status=3
fi
verdict="$(verifier show --quiet -- "$out/report.json")" || true
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -s "$out/report.md" ]; then
    cat "$out/report.md" >> "$GITHUB_STEP_SUMMARY"
fi
if [ -n "${GITHUB_OUTPUT:-}" ]; then
    case "$verdict" in identical | equivalent | different) ;; *) verdict=inconclusive ;; esac
    sarif=""
    [ ! -s "$out/report.sarif" ] || sarif="$out/report.sarif"
    printf 'status=%s\nverdict=%s\nreports=%s\nsarif=%s\n' \
        "$status" "$verdict" "$out" "$sarif" >> "$GITHUB_OUTPUT"
fi
exit "$status"
