// The tree of members as a list of which only the rows in sight exist.

const ROW = 28;  // pixels, as in the style
const AROUND = 8;  // rows made beyond both ends of what is seen

class Tree {
  constructor(open) {
    this.open = open;
    this.box = find('tree');
    this.rows = find('rows');
    this.closed = new Set();
    this.filter = { text: '', verdicts: new Set(index.verdicts.keys()), format: -1, order: 'tree' };
    this.chosen = -1;  // member
    this.active = 0;  // place in `seen`
    this.ends = this.endings();
    this.box.addEventListener('scroll', () => this.draw());
    this.box.addEventListener('keydown', (event) => this.key(event));
    this.rows.addEventListener('click', (event) => this.click(event));
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  // For each row the first row after everything in it.
  endings() {
    const ends = new Array(index.rows.length).fill(index.rows.length);
    const above = [];
    index.rows.forEach(([depth], at) => {
      while (above.length && index.rows[above.at(-1)][0] >= depth) ends[above.pop()] = at;
      above.push(at);
    });
    return ends;
  }

  matches(member) {
    const { text, verdicts, format } = this.filter;
    if (!verdicts.has(index.verdict[member])) return false;
    if (format >= 0 && index.format[member] !== format) return false;
    if (!text) return true;
    return index.path[member].toLowerCase().includes(text) || index.marks[member].some((mark) => this.marked[mark]);
  }

  update() {
    this.marked = index.mark.map((mark) => mark.toLowerCase().includes(this.filter.text));
    const all = index.rows.map((row, at) => at);
    const wanted = new Array(all.length).fill(false);
    let count = 0;
    const above = [];
    index.rows.forEach(([depth, , member], at) => {
      above.length = depth;
      above[depth] = at;
      if (member >= 0 && this.matches(member)) {
        count += 1;
        if (this.filter.order === 'tree') for (const each of above) wanted[each] = true;
        else wanted[at] = true;
      }
    });
    this.seen = this.filter.order === 'tree' ? this.unfolded(wanted) : this.sorted(all.filter((at) => wanted[at]));
    this.active = Math.max(0, this.seen.findIndex((at) => index.rows[at][2] === this.chosen));
    find('shown').textContent = plural(count, 'member') + ' of ' + number(index.path.length);
    this.draw();
  }

  unfolded(wanted) {
    const found = [];
    for (let at = 0; at < wanted.length; at = this.closed.has(at) ? this.ends[at] : at + 1) if (wanted[at]) found.push(at);
    return found;
  }

  sorted(rows) {
    const of = (at) => index.rows[at][2];
    const worst = (m) => index.verdict[m] * 1e9 + index.weaker[m] * 1e4 + index.differences[m] + index.problems[m];
    const key = this.filter.order === 'size' ? (m) => index.size[m] : worst;
    return rows.sort((a, b) => key(of(b)) - key(of(a)) || a - b);
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - AROUND);
    const stop = Math.min(this.seen.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + AROUND);
    this.rows.style.height = this.seen.length * ROW + 'px';
    this.rows.replaceChildren();
    for (let place = first; place < stop; place += 1) this.rows.append(this.row(place));
    if (this.rows.querySelector('.active')) this.box.setAttribute('aria-activedescendant', 'row-' + this.active);
    else this.box.removeAttribute('aria-activedescendant');
  }

  row(place) {
    const at = this.seen[place];
    const [depth, label, member, verdict] = index.rows[at];
    const flat = this.filter.order !== 'tree';
    const holds = !flat && this.ends[at] > at + 1;
    const name = index.verdicts[verdict];
    const element = make('div', {
      class: 'row' + (place === this.active ? ' active' : ''), role: 'treeitem', id: 'row-' + place,
      'aria-level': flat ? 1 : depth + 1, 'aria-selected': String(member >= 0 && member === this.chosen),
      'aria-expanded': holds ? String(!this.closed.has(at)) : null, 'data-place': place,
    });
    element.style.top = place * ROW + 'px';
    element.style.paddingLeft = 6 + (flat ? 0 : Math.min(depth, 24)) * 14 + 'px';
    const shown = flat ? index.path[member] : label + (member < 0 ? '/' : '');
    element.title = member >= 0 ? index.path[member] : label;
    element.append(make('span', { class: 'twist', 'aria-hidden': 'true', text: holds ? (this.closed.has(at) ? '▸' : '▾') : '' }),
      make('span', { class: 'sign v-' + name, role: 'img', 'aria-label': name }),
      make('span', { class: 'name raw', text: shown }));
    if (member >= 0) element.append(...this.numbers(member));
    return element;
  }

  numbers(member) {
    const found = [];
    if (index.weaker[member]) found.push(make('span', { class: 'count bad', text: 'weakens' }));
    const count = index.differences[member] + index.problems[member];
    if (count) found.push(make('span', { class: 'count bad', text: number(count), title: plural(count, 'difference or problem').replace('problems', 'problem') }));
    else found.push(make('span', { class: 'count', text: bytes(index.size[member]) }));
    return found;
  }

  // --- choosing ---

  choose(member) {
    this.chosen = member;
    let place = this.seen.findIndex((at) => index.rows[at][2] === member);
    if (place < 0) {
      const row = index.rows.findIndex((each) => each[2] === member);
      this.closed.forEach((at) => { if (at < row && row < this.ends[at]) this.closed.delete(at); });
      this.update();
      place = this.seen.indexOf(row);
    }
    if (place >= 0) this.go(place);
    else this.draw();
  }

  go(place) {
    this.active = Math.max(0, Math.min(this.seen.length - 1, place));
    const top = this.active * ROW;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + ROW > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + ROW - this.box.clientHeight;
    this.draw();
  }

  fold(at, closed) {
    if (closed) this.closed.add(at);
    else this.closed.delete(at);
    const active = this.seen[this.active];
    this.update();
    const place = this.seen.indexOf(active);
    this.go(place >= 0 ? place : this.seen.indexOf(at));
  }

  click(event) {
    const element = event.target.closest('.row');
    if (!element) return;
    const place = Number(element.dataset.place);
    const at = this.seen[place];
    this.active = place;
    if (event.target.closest('.twist') || index.rows[at][2] < 0) this.fold(at, !this.closed.has(at));
    else this.open(index.rows[at][2]);
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !this.seen.length) return;
    const at = this.seen[this.active];
    const holds = this.filter.order === 'tree' && this.ends[at] > at + 1;
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
    const actions = {
      ArrowDown: () => this.go(this.active + 1), ArrowUp: () => this.go(this.active - 1),
      PageDown: () => this.go(this.active + page), PageUp: () => this.go(this.active - page),
      Home: () => this.go(0), End: () => this.go(this.seen.length - 1),
      ArrowRight: () => (holds && this.closed.has(at) ? this.fold(at, false) : this.go(this.active + 1)),
      ArrowLeft: () => (holds && !this.closed.has(at) ? this.fold(at, true) : this.go(this.above(at))),
      Enter: () => (index.rows[at][2] >= 0 ? this.open(index.rows[at][2]) : this.fold(at, !this.closed.has(at))),
    };
    actions[' '] = actions.Enter;
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  above(at) {
    const depth = index.rows[at][0];
    for (let place = this.active; place >= 0; place -= 1) if (index.rows[this.seen[place]][0] < depth) return place;
    return this.active;
  }
}
