# SPDX-License-Identifier: MIT
# Makes a manual page: replaces the line @SETTINGS@ of a page in docs/man/ by the
# settings that a program lists in its --help. Use:
#
#   emojify-api --help | awk -f settings.awk - emojify-api.8.in
#
# A setting there is its name on a line, indented by two; its meaning, and then what is
# allowed and the default, on lines indented by six.

# Keep text for the page: each sentence on lines of its own, none above 78 bytes, none
# that begins as a macro does.
function keep_text(text,    words, count, i, line) {
    gsub(/\\/, "\\e", text)
    count = split(text, words, " ")
    line = words[1]
    for (i = 2; i <= count; i++) {
        if (line ~ /\.$/ || length(line) + 1 + length(words[i]) > 78) {
            keep_line(line)
            line = words[i]
        } else {
            line = line " " words[i]
        }
    }
    keep_line(line)
}

function keep_line(line) {
    keep((line ~ /^['.]/ ? "\\&" : "") line)
}

function keep(line) {
    settings = settings line "\n"
}

FNR == NR && /^Settings/ { listing = 1; next }
FNR == NR && !listing { next }
FNR == NR && /^  [A-Z]/ {
    name = $1
    in_file = / or the file in its _FILE/
    expected = "meaning"
    keep(".It Ev " name)
    next
}
FNR == NR && /^      / && expected == "meaning" {
    keep_text($0)
    expected = "allowed"
    next
}
FNR == NR && /^      / {
    keep_text("Allowed: " substr($0, 7) ".")
    if (in_file)
        keep("It can be in a file instead, whose path is in\n.Ev " name "_FILE .")
    next
}
FNR == NR { next }

/^@SETTINGS@$/ {
    print "Settings come from the environment; an empty one is the same as none."
    print "Durations are written"
    print ".Li 300ms , 30s , 5m"
    print "or"
    print ".Li 1h30m ,"
    print "a bare number is seconds; sizes take"
    print ".Li K , M"
    print "or"
    print ".Li G ."
    print ".Bl -tag -width Ds"
    printf "%s", settings
    print ".El"
    next
}
{ print }
