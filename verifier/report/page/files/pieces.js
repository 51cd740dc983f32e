// A member's whole file as pieces in order: what the map tells, and the equal bytes between.

const WHAT = { PATCH: 0, DIFFERENCE: 1, UNSETTLED: 2, MEMBER: 3, REST: 4 };

function piecesOf(member) {
  const size = member.files[0] ? member.files[0][1] : 0;
  const found = [];
  let end = 0;
  const rest = (from, to) => {
    if (from < to) found.push({ at: from, size: to - from, kind: member.base, what: WHAT.REST, ref: 0 });
  };
  for (const entry of member.map) {
    const whole = typeof entry === 'number' ? member.patches[entry] : null;
    const [at, length, kind, what, ref] = whole ? [whole[4], whole[5], whole[1], WHAT.PATCH, entry] : entry;
    rest(end, at);
    found.push({ at, size: length, kind, what, ref });
    end = Math.max(end, at + length);
  }
  rest(end, size);
  return found;
}

function countBytes(pieces) {
  const found = classes.map(() => 0);
  for (const piece of pieces) found[piece.kind] += piece.size;
  return found;
}

// What one piece is called, in words: name, evidence, and its free bytes.
function told(member, piece) {
  const { texts } = member;
  const known = { name: '', says: meanings[piece.kind], free: 0, reasons: [], hex: '' };
  if (piece.what === WHAT.PATCH) {
    const patch = member.patches[piece.ref];
    known.name = texts[patch[0]] + ' · ' + texts[patch[2]];
    known.says = texts[patch[3]];
    const free = patch[8] || [];
    known.free = free.reduce((sum, each) => sum + each[1], 0);
    known.reasons = free.map((each) => [each[0] + patch[4], each[1], texts[each[2]]]);
    known.size = [patch[5], patch[5] + patch[7], patch[4] + patch[6]];
    if (patch.length > 9) {
      known.hex = patch[11];
      if (texts[patch[9]]) known.says += ' (' + texts[patch[9]] + ')';
    }
  } else if (piece.what === WHAT.DIFFERENCE) {
    const each = member.differences[piece.ref];
    known.name = texts[each[0]] + ' · ' + texts[each[1]];
    known.says = (classes[piece.kind] === 'around' ? 'These bytes are the same; others of it differ. ' : '') + texts[each[2]];
  } else if (piece.what === WHAT.UNSETTLED) {
    known.name = 'differing bytes';
    known.says = 'They differ from the rebuild and no rule settles them; the differences say what they mean.';
  } else if (piece.what === WHAT.MEMBER) {
    known.name = 'member · ' + index.path[piece.ref];
    known.says = verdictOf(piece.ref) + ', with what is in it; it has a map of its own';
  }
  return known;
}

function range(piece) {
  if (!piece.size) return 'at ' + hex(piece.at) + ', no byte here: the rebuild alone has something';
  return hex(piece.at) + ' to ' + hex(piece.at + piece.size - 1) + ', ' + plural(piece.size, 'byte');
}
