// Everything about one member: its files, map, spans, differences with both sides, signers.

const PAGE = 100;  // rows that are made at a time
const LISTING = 400;  // lines of one listing before all are asked for

// Items in portions: what is long grows when asked, so that a page never makes 10,000 rows at once.
function portions(items, size, build, into) {
  let shown = 0;
  const more = make('button', { type: 'button', class: 'more', onclick: () => next() });
  const next = () => {
    const part = items.slice(shown, shown + size);
    into.append(...part.map(build));
    shown += part.length;
    const left = items.length - shown;
    more.textContent = 'Show ' + number(Math.min(size, left)) + ' more of ' + number(left);
    more.hidden = left <= 0;
  };
  next();
  return more;
}

// --- both sides of a difference, line by line ---

function parse(detail) {
  const rows = [];
  let old = [];
  let fresh = [];
  const flush = () => {
    for (let n = 0; n < Math.max(old.length, fresh.length); n += 1) rows.push([old[n], fresh[n], true]);
    old = [];
    fresh = [];
  };
  for (const line of detail.split('\n')) {
    if (line.startsWith('- ')) {
      if (fresh.length) flush();
      old.push(line.slice(2));
    } else if (line.startsWith('+ ')) fresh.push(line.slice(2));
    else {
      flush();
      const same = line.startsWith('  ') ? line.slice(2) : line;
      rows.push([same, same, false]);
    }
  }
  flush();
  return rows;
}

// The middle in which two lines differ, cut at the ends of words.
function marked(text, other) {
  if (text === undefined || other === undefined) return [text ?? ''];
  const parts = text.split(/(?<=[^\w])|(?=[^\w])/);
  const others = other.split(/(?<=[^\w])|(?=[^\w])/);
  let head = 0;
  while (head < parts.length && head < others.length && parts[head] === others[head]) head += 1;
  let tail = 0;
  while (tail < parts.length - head && tail < others.length - head && parts.at(-1 - tail) === others.at(-1 - tail)) tail += 1;
  const cut = (from, to) => parts.slice(from, to).join('');
  const middle = cut(head, parts.length - tail);
  return [cut(0, head), middle ? make('mark', { text: middle }) : '', cut(parts.length - tail, parts.length)];
}

function side(text, other, differs, name, sign) {
  if (text === undefined) return make('td', { class: 'none' });
  const cell = make('td', { class: differs ? name : '' }, make('span', { class: 'mark', text: differs ? sign : ' ' }));
  cell.append(...(differs ? marked(text, other) : [text]));
  return cell;
}

function bothSides(detail, caption) {
  const rows = parse(detail);
  if (!rows.some((row) => row[2])) return make('pre', { class: 'detail', tabindex: '0', text: detail });
  const body = make('tbody');
  const build = ([old, fresh, differs]) => make('tr', {}, side(old, fresh, differs, 'old', '−'), side(fresh, old, differs, 'new', '+'));
  const more = portions(rows, LISTING, build, body);
  const head = make('thead', {}, make('tr', {}, make('th', { scope: 'col', text: 'rebuilt from the source' }), make('th', { scope: 'col', text: 'shipped' })));
  const table = make('table', { class: 'sides' }, head, body);
  return make('div', {}, make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption }, table), more);
}

function differenceOf(member, each, map) {
  const [kind, where, summary, weakening] = each.slice(0, 4).map((at) => member.texts[at]);
  const detail = member.texts[each[6]];
  const head = make('p', { class: 'head' }, make('span', { class: 'kind', text: kind }));
  if (weakening) head.append(make('span', { class: 'kind bad', text: 'weakens: ' + weakening }));
  head.append(make('strong', { class: 'raw', text: where }));
  if (each[4] !== null) {
    const of = (piece) => piece.what === WHAT.DIFFERENCE && member.differences[piece.ref] === each;
    let at = map.pieces.findIndex((piece) => of(piece) && classes[piece.kind] === 'difference');
    if (at < 0) at = map.pieces.findIndex(of);
    const place = 'at ' + hex(each[4]) + (each[5] ? ', ' + plural(each[5], 'byte') : '');
    head.append(at < 0 ? make('span', { class: 'dim', text: place })
      : make('button', { type: 'button', class: 'linkish', text: place, onclick: () => { map.pick(at); map.grid.focus(); } }));
  }
  const box = make('div', { class: 'finding' + (weakening ? ' weaker' : '') }, head, make('p', { class: 'raw', text: summary }));
  if (detail) box.append(bothSides(detail, 'Both sides of ' + where));
  return box;
}

function problemOf(member, each) {
  const [kind, where, summary] = each.map((at) => member.texts[at]);
  const head = make('p', { class: 'head' }, make('span', { class: 'kind', text: kind }), make('strong', { class: 'raw', text: where }));
  return make('div', { class: 'finding problem' }, head, make('p', { class: 'raw', text: summary }));
}

// --- the map with its controls, what is chosen on it, and its spans as a table ---

function mapOf(member) {
  const pieces = piecesOf(member);
  const said = make('div', { class: 'said', role: 'status' });
  const where = make('span', { class: 'where dim' });
  const spans = make('tbody');
  const seen = { equal: false, rows: null };
  const count = make('p', { class: 'dim', role: 'status' });
  const holder = make('div');
  const map = new ByteMap(member, pieces, () => changed());

  function row(at) {
    const piece = pieces[at];
    const known = told(member, piece);
    const place = make('button', { type: 'button', class: 'linkish mono', text: hex(piece.at), 'aria-label': 'Show ' + hex(piece.at) + ' on the map', onclick: () => map.pick(at) });
    const kind = make('td', { class: 'class' }, swatch(piece.kind), classes[piece.kind]);
    const name = make('td', { class: 'raw' });
    if (piece.what === WHAT.MEMBER) name.append(make('a', { href: '#m' + piece.ref, text: index.path[piece.ref] }));
    else name.textContent = known.name;
    return make('tr', { class: at === map.picked ? 'picked' : '' }, make('td', {}, place),
      make('td', { class: 'num', text: number(piece.size) }), kind, name,
      make('td', { class: 'raw', text: known.says }), make('td', { class: 'num', text: known.free ? number(known.free) : '' }));
  }

  function listed() {
    const found = [];
    for (let at = firstAfter(pieces, map.from); at < pieces.length && pieces[at].at <= map.to; at += 1) {
      if (seen.equal || pieces[at].kind !== 0) found.push(at);
    }
    spans.replaceChildren();
    holder.replaceChildren(portions(found, PAGE, row, spans));
    const whole = map.to - map.from === map.size;
    count.textContent = plural(found.length, 'span') + (whole ? ' in the whole file' : ' in the part that is shown')
      + (seen.equal ? '.' : ', equal ones apart.');
  }

  function choose() {
    const piece = pieces[map.picked];
    said.replaceChildren();
    if (!piece) {
      said.append(make('p', { class: 'dim', text: 'Choose a square, or press the arrow keys on the map, to read what it is.' }));
      return;
    }
    const known = told(member, piece);
    said.append(make('p', {}, make('strong', { text: classes[piece.kind] }), ' · ', range(piece)));
    if (known.name) said.append(make('p', { class: 'raw', text: known.name }));
    said.append(make('p', { class: 'raw', text: known.says }));
    if (known.size && (known.size[0] !== known.size[1] || known.size[2] !== piece.at)) {
      said.append(make('p', { class: 'dim', text: 'In the rebuild: ' + plural(known.size[1], 'byte') + ' at ' + hex(known.size[2]) + '.' }));
    }
    if (known.hex) said.append(make('p', { class: 'mono raw', text: known.hex + (known.size[0] * 2 > known.hex.length ? '…' : '') }));
    if (known.reasons.length) {
      const list = make('ul');
      const more = portions(known.reasons, 8, ([at, size, reason]) => make('li', { class: 'raw', text: hex(at) + ', ' + plural(size, 'byte') + ': ' + reason }), list);
      said.append(make('details', {}, make('summary', { text: plural(known.free, 'free byte') }), list, more));
    }
    if (piece.what === WHAT.MEMBER) said.append(make('p', {}, make('a', { href: '#m' + piece.ref, text: 'Open this member' })));
  }

  function changed() {
    const squares = map.squares ? map.unit : 1;
    where.textContent = hex(map.from) + ' to ' + hex(Math.max(map.from, map.to - 1)) + ' of ' + number(map.size)
      + ' bytes; one square is ' + (squares <= 1 ? 'one byte' : 'up to ' + bytes(Math.ceil(squares)));
    choose();
    listed();
  }

  const button = (text, label, action) => make('button', { type: 'button', text, 'aria-label': label, onclick: action });
  const controls = make('div', { class: 'line' },
    button('◂ previous', '◂ previous span that is not equal', () => map.step(-1)),
    button('next ▸', 'next ▸ span that is not equal', () => map.step(1)),
    button('+', '+ Zoom in', () => map.zoom(0.5)), button('−', '− Zoom out', () => map.zoom(2)),
    button('whole file', 'Show the whole file', () => map.window(0, map.size)), where);
  const legend = make('ul', { class: 'legend', 'aria-label': 'Legend' });
  countBytes(pieces).forEach((size, kind) => {
    if (size || pieces.some((piece) => piece.kind === kind)) {
      legend.append(make('li', { title: meanings[kind] }, swatch(kind), classes[kind] + ' ', make('span', { class: 'dim', text: number(size) })));
    }
  });
  const equal = make('input', { type: 'checkbox', id: 'with-equal', onchange: () => { seen.equal = equal.checked; listed(); } });
  const head = make('thead', {}, make('tr', {}, ...[['offset'], ['bytes', 'num'], ['class'], ['rule and field, or name'], ['evidence'], ['free', 'num']]
    .map(([text, name]) => make('th', { scope: 'col', class: name, text }))));
  const element = make('div', { class: 'map' }, map.strip, map.grid,
    make('p', { id: 'map-keys', class: 'dim', text: 'A square shows the most notable class of its bytes. Arrow keys: next and previous span; + and −: zoom; 0: whole file; Shift and wheel: zoom.' }),
    controls, legend, said,
    make('details', { open: true }, make('summary', { text: 'Spans as a table' }),
      make('p', {}, equal, ' ', make('label', { for: 'with-equal', text: 'with the equal bytes between them' })), count,
      make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Spans' }, make('table', { class: 'spans' }, head, spans)), holder));
  return { element, map, ready: () => { map.draw(); changed(); } };
}

// --- the whole pane ---

function filesOf(member) {
  const rows = [['shipped', member.files[0]], ['rebuilt', member.files[1]]];
  const list = make('dl', { class: 'facts' });
  for (const [name, facts] of rows) {
    const value = make('dd', {});
    if (facts) value.append(make('span', { class: 'raw', text: (member.texts[facts[2]] || 'not read') + ', ' + number(facts[1]) + ' bytes' }), make('br'), make('code', { class: 'hash', text: facts[0] }));
    else value.append(make('span', { class: 'dim', text: 'no such file' }));
    list.append(make('dt', { text: name }), value);
  }
  return list;
}

function signerOf(signer) {
  const list = make('dl', { class: 'facts' });
  for (const [name, value] of Object.entries(signer)) {
    if (value === null || name === 'subject') continue;
    const text = Array.isArray(value) ? value.join(' ← ') : String(value);
    list.append(make('dt', { text: name.replaceAll('_', ' ') }), make('dd', { class: 'raw', text }));
  }
  return make('div', { class: 'finding' }, make('p', {}, make('strong', { class: 'raw', text: signer.subject })), list);
}

function section(pane, title, items, build, size = 50) {
  if (!items.length) return;
  const box = make('div');
  pane.append(make('h4', { text: title + ' (' + number(items.length) + ')' }), box);
  pane.append(portions(items, size, build, box));
}

function show(at) {
  const pane = find('member');
  const member = details(at);
  const { texts } = member;
  pane.replaceChildren(make('h3', { tabindex: '-1' }, badge(verdictOf(at)), ' ', make('span', { class: 'raw', text: index.path[at] })));
  const above = index.parent[at];
  if (above >= 0) {
    const place = member.within ? ' at ' + hex(member.within[0]) + ', ' + plural(member.within[1], 'byte') + ' (' + texts[member.within[2]] + ')' : '';
    pane.append(make('p', { class: 'crumbs raw' }, 'in ', make('a', { class: 'raw', href: '#m' + above, text: index.path[above] }), place));
  }
  if (texts[member.summary]) pane.append(make('p', { class: 'lead raw', text: texts[member.summary] }));
  for (const note of member.notes) pane.append(make('p', { class: 'raw', text: texts[note] }));
  const drawn = mapOf(member);
  section(pane, 'Problems', member.problems, (each) => problemOf(member, each));
  section(pane, 'Differences', member.differences, (each) => differenceOf(member, each, drawn.map), 30);
  if (member.files[0]) pane.append(make('h4', { text: 'Byte map of the shipped file' }), drawn.element);
  section(pane, 'Signers', member.signers, signerOf);
  if (member.narration >= 0) {
    pane.append(make('details', {}, make('summary', { text: 'What diffoscope says (a comment alone: it counts for nothing)' }),
      make('pre', { class: 'detail', tabindex: '0', text: texts[member.narration] })));
  }
  pane.append(make('h4', { text: 'Files' }), filesOf(member));
  drawn.ready();
  shownMap = drawn;
}

let shownMap = null;
