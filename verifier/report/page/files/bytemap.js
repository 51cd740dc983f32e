// The picture of a file: squares from its first to its last byte, and a strip of the whole above.
// A square shows the most notable class of the bytes in it, by colour and by pattern.

const SQUARE = 11;
const LINES = 16;
const GAP = 1;

function colours() {
  const probe = make('span');
  document.body.append(probe);
  const found = {};
  for (const name of [...classes, 'ink', 'paper', 'sheet', 'focus']) {
    probe.style.color = 'var(--' + (classes.includes(name) ? 'c-' : '') + name + ')';
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

// One tile of `size` pixels for each class; the marks keep classes apart without colours.
const MARKS = {
  derived: (pen, s) => line(pen, 0, s, s, 0),
  signed: (pen, s) => { line(pen, 0, s, s, 0); line(pen, 0, 0, s, s); },
  related: (pen, s) => dot(pen, s / 2, s / 2, s / 6),
  mapped: (pen, s) => { line(pen, 0, s / 3, s, s / 3); line(pen, 0, 2 * s / 3, s, 2 * s / 3); },
  bounded: (pen, s) => { line(pen, s / 3, 0, s / 3, s); line(pen, 2 * s / 3, 0, 2 * s / 3, s); },
  assumed: (pen, s) => { pen.fillRect(0, 0, s / 2, s / 2); pen.fillRect(s / 2, s / 2, s / 2, s / 2); },
  waived: (pen, s) => line(pen, 0, 0, s, s),
  around: (pen, s) => line(pen, 0, s / 2, s, s / 2),
  unknown: (pen, s) => { dot(pen, s / 4, s / 4, s / 9); dot(pen, 3 * s / 4, 3 * s / 4, s / 9); },
  unsettled: (pen, s) => { line(pen, s / 2, 0, s / 2, s); line(pen, 0, s / 2, s, s / 2); },
  difference: (pen, s) => { pen.lineWidth = s / 6; line(pen, s / 4, s / 4, 3 * s / 4, 3 * s / 4); line(pen, s / 4, 3 * s / 4, 3 * s / 4, s / 4); },
};

function line(pen, a, b, c, d) {
  pen.beginPath();
  pen.moveTo(a, b);
  pen.lineTo(c, d);
  pen.stroke();
}

function dot(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

function tile(name, size, paint) {
  const canvas = make('canvas', { width: size, height: size });
  const pen = canvas.getContext('2d');
  pen.fillStyle = paint[name];
  pen.fillRect(0, 0, size, size);
  pen.lineWidth = size / 10;
  pen.strokeStyle = pen.fillStyle = 'rgba(255, 255, 255, .8)';
  if (name === 'bounded' || name === 'related' || name === 'assumed' || name === 'around') {
    pen.strokeStyle = pen.fillStyle = 'rgba(0, 0, 0, .55)';
  }
  if (MARKS[name]) MARKS[name](pen, size);
  return canvas;
}

function swatch(kind) {
  const canvas = tile(classes[kind], 18, colours());
  canvas.setAttribute('aria-hidden', 'true');
  return canvas;
}

// The first piece that ends after an offset; pieces stand in order and do not overlap.
function firstAfter(pieces, offset) {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (pieces[middle].at + Math.max(pieces[middle].size, 1) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

// The most notable class of each of `count` parts of `step` bytes from an offset on; -1 past the end.
function shares(pieces, from, step, count) {
  const to = from + step * count;
  const found = new Int8Array(count).fill(-1);
  for (let at = firstAfter(pieces, from); at < pieces.length && pieces[at].at < to; at += 1) {
    const piece = pieces[at];
    const end = piece.at + Math.max(piece.size, 1);
    const first = Math.max(0, Math.floor((piece.at - from) / step));
    const stop = Math.min(count, Math.max(first + 1, Math.ceil((end - from) / step)));
    for (let n = first; n < stop; n += 1) if (piece.kind > found[n]) found[n] = piece.kind;
  }
  return found;
}

class ByteMap {
  constructor(member, pieces, changed) {
    this.pieces = pieces;
    this.size = member.files[0] ? member.files[0][1] : 0;
    this.changed = changed;
    this.from = 0;
    this.to = this.size;
    this.picked = -1;
    this.strip = make('canvas', { class: 'strip', 'aria-hidden': 'true', onclick: (event) => this.jump(event) });
    this.grid = make('canvas', {
      class: 'grid', tabindex: '0', role: 'application', 'aria-roledescription': 'byte map',
      'aria-label': this.label(), 'aria-describedby': 'map-keys',
      onclick: (event) => this.click(event), onkeydown: (event) => this.key(event),
      onwheel: (event) => this.wheel(event), onmousemove: (event) => this.hover(event),
    });
  }

  label() {
    const parts = countBytes(this.pieces).map((count, kind) => [count, classes[kind]]).filter(([count]) => count);
    return 'Byte map of ' + plural(this.size, 'byte') + ': ' + parts.map(([count, name]) => number(count) + ' ' + name).join(', ');
  }

  // --- what is seen ---

  window(from, size) {
    const smallest = Math.min(this.size, 256);
    size = Math.max(smallest, Math.min(this.size, Math.round(size)));
    this.from = Math.max(0, Math.min(this.size - size, Math.round(from)));
    this.to = this.from + size;
    this.draw();
    this.changed();
  }

  zoom(factor, around = null) {
    const picked = this.pieces[this.picked];
    const seen = picked && picked.at < this.to && picked.at + picked.size >= this.from;
    const centre = around ?? (seen ? picked.at + picked.size / 2 : (this.from + this.to) / 2);
    const size = (this.to - this.from) * factor;
    const share = around === null ? 0.5 : (around - this.from) / (this.to - this.from);
    this.window(centre - size * share, size);
  }

  move(share) { this.window(this.from + share * (this.to - this.from), this.to - this.from); }

  pick(at) {
    this.picked = at;
    const piece = this.pieces[at];
    if (piece && (piece.at + piece.size <= this.from || piece.at >= this.to)) {
      this.window(piece.at + piece.size / 2 - (this.to - this.from) / 2, this.to - this.from);
    } else {
      this.draw();
      this.changed();
    }
  }

  // The next piece that is not plainly equal, in one direction.
  step(direction) {
    let at = this.picked;
    if (at < 0) {
      at = firstAfter(this.pieces, this.from);
      if (direction > 0) at -= 1;
    }
    for (at += direction; at >= 0 && at < this.pieces.length; at += direction) {
      if (this.pieces[at].kind !== 0) { this.pick(at); return; }
    }
  }

  // --- mouse and keys ---

  place(event, canvas) {
    const box = canvas.getBoundingClientRect();
    const { columns, rows } = this.squares;
    const x = Math.min(columns - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * columns)));
    const y = Math.min(rows - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * rows)));
    return this.from + (y * columns + x) * this.unit;
  }

  // The most notable piece within the square at an offset.
  pieceAt(offset) {
    const { pieces } = this;
    let best = -1;
    for (let at = firstAfter(pieces, offset); at < pieces.length && pieces[at].at < offset + this.unit; at += 1) {
      if (best < 0 || pieces[at].kind > pieces[best].kind) best = at;
    }
    return best;
  }

  click(event) { this.pick(this.pieceAt(this.place(event, this.grid))); }

  hover(event) {
    const offset = Math.floor(this.place(event, this.grid));
    const at = this.pieceAt(this.place(event, this.grid));
    this.grid.title = at < 0 ? hex(offset) : hex(offset) + ': ' + classes[this.pieces[at].kind];
  }

  wheel(event) {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    this.zoom(event.deltaY < 0 || event.deltaX < 0 ? 0.5 : 2, this.place(event, this.grid));
  }

  jump(event) {
    const box = this.strip.getBoundingClientRect();
    const offset = (event.clientX - box.left) / box.width * this.size;
    this.window(offset - (this.to - this.from) / 2, this.to - this.from);
  }

  key(event) {
    const actions = {
      ArrowRight: () => this.step(1), ArrowDown: () => this.step(1),
      ArrowLeft: () => this.step(-1), ArrowUp: () => this.step(-1),
      '+': () => this.zoom(0.5), '=': () => this.zoom(0.5), '-': () => this.zoom(2),
      0: () => this.window(0, this.size), PageDown: () => this.move(1), PageUp: () => this.move(-1),
      Home: () => this.window(0, this.to - this.from), End: () => this.window(this.size, this.to - this.from),
    };
    if (!actions[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  }

  // --- drawing ---

  draw() {
    if (!this.grid.isConnected || !this.size) return;
    const paint = colours();
    const ratio = window.devicePixelRatio || 1;
    const tiles = classes.map((name) => tile(name, Math.round((SQUARE - GAP) * ratio), paint));
    this.drawStrip(paint, ratio);
    this.drawGrid(paint, ratio, tiles);
  }

  drawStrip(paint, ratio) {
    const width = this.strip.clientWidth || 600;
    this.strip.width = width * ratio;
    this.strip.height = 22 * ratio;
    const pen = this.strip.getContext('2d');
    pen.scale(ratio, ratio);
    const count = Math.max(1, Math.floor(width / 2));
    const kinds = shares(this.pieces, 0, this.size / count, count);
    kinds.forEach((kind, n) => {
      pen.fillStyle = kind < 0 ? paint.sheet : paint[classes[kind]];
      pen.fillRect(n * width / count, 4, width / count + 0.5, 14);
    });
    if (this.to - this.from < this.size) {
      const left = this.from / this.size * width;
      const wide = Math.max(4, (this.to - this.from) / this.size * width);
      pen.strokeStyle = paint.ink;
      pen.lineWidth = 2;
      pen.strokeRect(Math.min(left + 1, width - wide), 1, wide - 2, 20);
    }
  }

  drawGrid(paint, ratio, tiles) {
    const width = this.grid.parentElement.clientWidth - 34;
    const columns = Math.max(16, Math.floor(width / SQUARE));
    const rows = Math.max(1, Math.min(LINES, Math.ceil((this.to - this.from) / columns)));
    this.squares = { columns, rows };
    this.unit = Math.max(1, (this.to - this.from) / (columns * rows));
    this.grid.width = columns * SQUARE * ratio;
    this.grid.height = rows * SQUARE * ratio;
    this.grid.style.aspectRatio = columns + ' / ' + rows;
    const pen = this.grid.getContext('2d');
    const kinds = shares(this.pieces, this.from, this.unit, columns * rows);
    const picked = this.pieces[this.picked];
    kinds.forEach((kind, n) => {
      if (kind < 0) return;
      const x = (n % columns) * SQUARE * ratio;
      const y = Math.floor(n / columns) * SQUARE * ratio;
      pen.drawImage(tiles[kind], x, y);
      const at = this.from + n * this.unit;
      if (picked && picked.at < at + this.unit && picked.at + Math.max(picked.size, 1) > at) {
        pen.strokeStyle = paint.ink;
        pen.lineWidth = 2 * ratio;
        pen.strokeRect(x, y, (SQUARE - GAP) * ratio, (SQUARE - GAP) * ratio);
      }
    });
  }
}
