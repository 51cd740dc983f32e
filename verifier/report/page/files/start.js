// Puts the page together: filters, the member that the address names, theme, print.

const query = matchMedia('(prefers-color-scheme: dark)');

function dark() {
  return root.dataset.theme ? root.dataset.theme === 'dark' : query.matches;
}

function redraw() {
  if (!shownMap) return;
  shownMap.map.draw();
  for (const canvas of document.querySelectorAll('.legend canvas, .spans canvas')) {
    const name = canvas.parentElement.textContent.trim().split(' ')[0];
    if (classes.includes(name)) canvas.replaceWith(swatch(classes.indexOf(name)));
  }
}

const tree = new Tree((member) => {
  history.replaceState(null, '', '#m' + member);
  tree.choose(member);
  show(member);
});

function filters() {
  const holder = find('verdicts');
  [...index.verdicts.keys()].reverse().forEach((verdict) => {
    const count = index.verdict.filter((each) => each === verdict).length;
    if (!count) return;
    const button = make('button', { type: 'button', class: 'v-' + index.verdicts[verdict], 'aria-pressed': 'true', text: index.verdicts[verdict] + ' ' + number(count) });
    button.addEventListener('click', () => {
      const { verdicts } = tree.filter;
      if (verdicts.has(verdict)) verdicts.delete(verdict);
      else verdicts.add(verdict);
      button.setAttribute('aria-pressed', String(verdicts.has(verdict)));
      tree.update();
    });
    holder.append(button);
  });
  const format = find('format');
  format.append(make('option', { value: '-1', text: 'all' }));
  index.formats.forEach((name, at) => format.append(make('option', { value: at, text: name || 'not read' })));
  format.addEventListener('change', () => { tree.filter.format = Number(format.value); tree.update(); });
  find('order').addEventListener('change', (event) => { tree.filter.order = event.target.value; tree.update(); });
  find('search').addEventListener('input', (event) => {
    tree.filter.text = event.target.value.toLowerCase();
    tree.box.scrollTop = 0;
    tree.update();
  });
}

// The member that the address names; else the one with the most to tell.
function addressed() {
  const found = /^#m(\d+)$/.exec(location.hash);
  return found && Number(found[1]) < index.path.length ? Number(found[1]) : -1;
}

function telling() {
  const weight = (m) => index.weaker[m] * 1e6 + (index.differences[m] + index.problems[m]) * 1e3 + Math.min(index.patches[m], 999);
  let best = index.path.length ? 0 : -1;
  for (let m = 1; m < index.path.length; m += 1) if (weight(m) > weight(best)) best = m;
  return best;
}

function follow() {
  const member = addressed();
  if (member < 0) return;
  tree.choose(member);
  show(member);
  const top = find('members').getBoundingClientRect().top;
  if (top < 0 || top > innerHeight / 2) find('members').scrollIntoView();
  find('member').querySelector('h3').focus({ preventScroll: true });
}

root.classList.add('scripted');
filters();
tree.update();
const start = addressed() >= 0 ? addressed() : telling();
if (start >= 0) {
  tree.choose(start);
  show(start);
}
addEventListener('hashchange', follow);
if (addressed() >= 0) follow();
find('theme').addEventListener('click', () => {
  root.dataset.theme = dark() ? 'light' : 'dark';
  redraw();
});
query.addEventListener('change', redraw);
let before;
addEventListener('beforeprint', () => {
  before = root.dataset.theme;
  root.dataset.theme = 'light';
  redraw();
});
addEventListener('afterprint', () => {
  if (before) root.dataset.theme = before;
  else delete root.dataset.theme;
  redraw();
});
let waiting = 0;
addEventListener('resize', () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => { if (shownMap) shownMap.map.draw(); });
});
root.dataset.ready = 'true';
