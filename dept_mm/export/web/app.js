// The page: what a person does, and what is shown.
import {load} from './model.js';

const SHOWN = 8;
const $ = (id) => document.getElementById(id);
let model, found, stream, all = false;

async function classify(picture) {
  const began = performance.now();
  found = await model.look(picture);
  show(Math.round(performance.now() - began));
}

function show(time) {
  if (!found) return;
  const rows = model.score(found).map((p, i) => ({p, one: model.classes[i]}));
  rows.sort((a, b) => b.p - a.p);
  $('status').textContent = rows[0].one.name + (
    time === undefined ? '' : ` — ${time} ms`);
  $('bars').replaceChildren(...rows.filter(
    ({one}, i) => all || i < SHOWN || one.weights).map(makeRow));
  $('more').hidden = rows.length <= SHOWN;
  $('more').textContent = all ? 'Show the likeliest alone'
    : `Show all ${rows.length} classes`;
}

function makeRow({p, one}) {
  const percent = `${(100 * p).toFixed(1)} %`;
  const row = make('li', {className: one.weights ? 'own' : ''});
  const line = make('div', {className: 'line'});
  const remove = make('button', {
    type: 'button', className: 'bare', textContent: '×',
    ariaLabel: `Remove ${one.name}`, disabled: model.classes.length < 2});
  remove.onclick = () => {
    model.remove(one);
    show();
    $('name').focus();  // the button is gone
  };
  line.append(make('span', {textContent: one.name}),
              make('span', {textContent: percent}), remove);
  const track = make('div', {className: 'track'});
  const fill = make('div', {className: 'fill'});
  fill.style.width = percent.replace(' ', '');
  track.append(fill);
  row.append(line, track);
  return row;
}

function make(tag, values) {
  return Object.assign(document.createElement(tag), values);
}

async function open(file) {
  stop();
  try {
    const bitmap = await createImageBitmap(file, {  // bytes as Python reads
      colorSpaceConversion: 'none', premultiplyAlpha: 'none'});
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

$('file').onchange = () => {
  const [file] = $('file').files;
  $('file').value = '';  // so that it can be chosen again
  if (file) open(file);
};
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
$('more').onclick = () => {
  all = !all;
  show();
};
$('add').onsubmit = async (event) => {
  event.preventDefault();
  try {
    await model.add($('name').value);
    $('name').value = $('problem').textContent = '';
    show();
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
