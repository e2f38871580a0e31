// The page: what a person does, and what is shown.
import {load} from './model.js';

const SHOWN = 8;
const $ = (id) => document.getElementById(id);
let model, found, stream;

async function classify(picture) {
  const began = performance.now();
  found = await model.look(picture);
  show(Math.round(performance.now() - began));
}

function show(time) {
  if (!found) return;
  const names = model.names(), known = model.about.classes.length;
  const rows = model.score(found).map((p, c) => ({name: names[c], p, c}));
  rows.sort((a, b) => b.p - a.p);
  $('status').textContent = rows[0].name + (
    time === undefined ? '' : ` — ${time} ms`);
  $('bars').replaceChildren(...rows.slice(0, SHOWN).map(({name, p, c}) => {
    const percent = `${(100 * p).toFixed(1)} %`;
    const row = make('li', {className: c < known ? '' : 'own'});
    const line = make('div', {className: 'line'});
    line.append(make('span', {textContent: name}),
                make('span', {textContent: percent}));
    const track = make('div', {className: 'track'});
    const fill = make('div', {className: 'fill'});
    fill.style.width = percent.replace(' ', '');
    track.append(fill);
    row.append(line, track);
    return row;
  }));
}

function make(tag, values) {
  return Object.assign(document.createElement(tag), values);
}

async function open(file) {
  stop();
  try {
    const bitmap = await createImageBitmap(file);
    $('photo').src = URL.createObjectURL(file);
    $('photo').alt = file.name;
    reveal('photo');
    await classify(bitmap);
  } catch (error) {
    found = undefined;
    $('bars').replaceChildren();
    $('status').textContent = `${file.name} is no image that can be read.`;
    console.warn(error);
  }
}

function reveal(id) {
  for (const other of ['photo', 'video', 'hint']) $(other).hidden = other !== id;
}

async function film() {
  if (stream) return stop();
  try {
    stream = await navigator.mediaDevices.getUserMedia({video: true});
  } catch {
    $('status').textContent = 'There is no camera that this page may use.';
    return;
  }
  $('video').srcObject = stream;
  await $('video').play();
  reveal('video');
  $('camera').textContent = 'Stop the camera';
  while (stream) {
    await classify($('video'));
    await new Promise(requestAnimationFrame);
  }
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  $('camera').textContent = 'Use the camera';
}

function listAdded() {
  $('added').replaceChildren(...model.added.map((one) => {
    const chip = make('li', {textContent: one.name});
    const remove = make('button', {type: 'button', textContent: '×'});
    remove.setAttribute('aria-label', `Remove ${one.name}`);
    remove.onclick = () => {
      model.added = model.added.filter((other) => other !== one);
      listAdded();
    };
    chip.append(remove);
    return chip;
  }));
  show();
}

$('file').onchange = () => $('file').files[0] && open($('file').files[0]);
$('drop').onkeydown = (event) => {
  if (event.key === 'Enter' || event.key === ' ') $('file').click();
};
$('drop').ondragover = (event) => {
  event.preventDefault();
  $('drop').classList.add('over');
};
$('drop').ondragleave = () => $('drop').classList.remove('over');
$('drop').ondrop = (event) => {
  event.preventDefault();
  $('drop').classList.remove('over');
  const [file] = event.dataTransfer.files;
  if (file) open(file);
};
$('camera').onclick = film;
$('add').onsubmit = async (event) => {
  event.preventDefault();
  try {
    await model.add($('name').value);
    $('name').value = $('problem').textContent = '';
    listAdded();
  } catch (error) {
    $('problem').textContent = error.message;
  }
};

try {
  model = await load();
  const {classes, parts, clip} = model.about;
  $('about').textContent = `${classes.length} classes, ${parts.join(' and ')}`
    + ` on the CLIP ${clip.name}`;
  $('status').textContent = 'Ready.';
} catch (error) {
  $('status').textContent = `The model cannot be loaded: ${error.message}. `
    + 'Open the page through a server, such as python -m http.server.';
}
// For tests and for the console.
window.demo = {get model() { return model; }, get found() { return found; }};
