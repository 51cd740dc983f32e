// Elements are made of text alone: nothing here or below ever reads text as markup.

const root = document.documentElement;
const find = (id) => document.getElementById(id);

function make(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'text') element.textContent = value;
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

const number = (value) => value.toLocaleString('en-US');
const hex = (value) => '0x' + value.toString(16);
const plural = (count, word) => number(count) + ' ' + word + (count === 1 ? '' : 's');

function bytes(size) {
  for (const [unit, power] of [['GiB', 30], ['MiB', 20], ['KiB', 10]]) {
    if (size >= 2 ** power) return (size / 2 ** power).toFixed(1) + ' ' + unit;
  }
  return plural(size, 'byte');
}

function island(id) {
  const raw = atob(find(id).textContent);
  return JSON.parse(raw);  // ASCII: everything else is escaped in it
}

const index = island('index');
const meanings = Array.from(find('classes').children, (item) => item.textContent);
const classes = index.classes;
const last = { block: -1, data: null };

// The details of one member; the block around it stays decoded, since neighbours are read next.
function details(at) {
  const block = Math.floor(at / index.block);
  if (last.block !== block) {
    last.data = island('block-' + block);
    last.block = block;
  }
  const { texts, members } = last.data;
  return { texts, ...members[at % index.block] };
}

const verdictOf = (at) => index.verdicts[index.verdict[at]];

function badge(verdict) {
  return make('span', { class: 'kind v-' + verdict, text: verdict });
}
