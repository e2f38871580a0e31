// A model that was exported with its preprocessing and an open vocabulary.
import * as ort from './runtime/ort.wasm.min.mjs';
import {Tokenizer} from './tokenizer.js';

const LARGEST = 2048;  // larger photos are made smaller before

// Read a file that was compressed by gzip, unless the server unpacks it.
async function read(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  const data = new Uint8Array(await answer.arrayBuffer());
  if (data[0] !== 0x1f || data[1] !== 0x8b) return data;
  const plain = new Blob([data]).stream().pipeThrough(
    new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

export async function load() {
  const about = await (await fetch('model.json')).json();
  ort.env.wasm.wasmBinary = await read('runtime/ort.wasm.gz');
  ort.env.wasm.numThreads = 1;  // more need headers that few servers send
  const [image, text, merges] = await Promise.all([
    read('model.onnx.gz').then((file) => ort.InferenceSession.create(file)),
    read('text.onnx.gz').then((file) => ort.InferenceSession.create(file)),
    read('merges.txt.gz'),
  ]);
  const words = new Tokenizer(new TextDecoder().decode(merges));
  return new Model(about, image, text, words);
}

export class Model {
  constructor(about, image, text, words) {
    Object.assign(this, {about, image, text, words});
    // Known classes have an index, added ones weights.
    this.classes = about.classes.map((name, index) => ({name, index}));
  }

  // Score a bitmap, a canvas or a video: the graph resizes and normalises.
  async look(picture) {
    const width = picture.videoWidth || picture.width;
    const height = picture.videoHeight || picture.height;
    const scale = Math.min(1, LARGEST / Math.max(width, height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext('2d', {willReadFrequently: true});
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
    const rgb = new Uint8Array(data.length / 4 * 3);
    for (let i = 0, j = 0; i < data.length; i += 4) {
      rgb[j++] = data[i]; rgb[j++] = data[i + 1]; rgb[j++] = data[i + 2];
    }
    const images = new ort.Tensor(
      'uint8', rgb, [1, canvas.height, canvas.width, 3]);
    const found = await this.image.run({images});
    return Object.fromEntries(
      Object.entries(found).map(([key, tensor]) => [key, tensor.data]));
  }

  // Add a class by its name. Throws an error that says why it cannot be.
  async add(name) {
    name = name.trim().replaceAll('_', ' ').replace(/\s+/g, ' ');
    if (!name) throw new Error('A class needs a name.');
    const same = (other) => (
      other.replaceAll('_', ' ').toLowerCase() === name.toLowerCase());
    if (this.classes.some((one) => same(one.name))) {
      throw new Error(`“${name}” is there already.`);
    }
    const index = this.about.classes.findIndex(same);
    if (index >= 0) {  // it was removed
      this.classes.push({name: this.about.classes[index], index});
      return;
    }
    const {class_weights: weights} = await this.text.run(this.tokenize(name));
    this.classes.push({name, weights: weights.data});
  }

  remove(one) {
    this.classes = this.classes.filter((other) => other !== one);
  }

  // The inputs of the text graph for one name.
  tokenize(name) {
    const {templates, rooms, tokenizer} = this.about.texts;
    const {start, end, pad} = tokenizer;
    const rows = [], ends = [], nameEnds = [];
    templates.forEach((template, k) => {
      const row = [...start, ...this.words.encode(
        template.replaceAll('{}', () => name)), ...end];
      if (row.length > rooms[k]) throw new Error('This name is too long.');
      rows.push(row);
      ends.push(row.length - 1);
      const head = template.split('{}')[0] + name;
      nameEnds.push(start.length + this.words.encode(head).length);
    });
    const length = Math.max(...rows.map((row) => row.length));
    const ids = rows.flatMap(
      (row) => [...row, ...Array(length - row.length).fill(pad)]);
    const tensor = (values, shape) => new ort.Tensor(
      'int64', BigInt64Array.from(values, BigInt), shape);
    const inputs = {ids: tensor(ids, [1, rows.length, length]),
                    end: tensor(ends, [1, rows.length]),
                    name_end: tensor(nameEnds, [1, rows.length])};
    return Object.fromEntries(
      this.text.inputNames.map((key) => [key, inputs[key]]));
  }

  // Probabilities of all classes, in their order. Trained classes keep their
  // scores among each other; see docs/export.md.
  score(found) {
    const {trained, temperature} = this.about;
    const known = this.classes.filter(({index}) => trained[index]);
    const sum = (values) => logSumExp(known.map(({index}) => values[index]));
    const shift = known.length && known.length < this.classes.length
      ? sum(found.similarities) - sum(found.logits) : 0;
    const scores = this.classes.map(({index, weights}) => (weights
      ? weights.reduce((sum, w, d) => sum + w * found.image_features[d], 0)
      : found.logits[index] + (trained[index] ? shift : 0)));
    const scaled = scores.map((s) => s / temperature);
    const total = logSumExp(scaled);
    return scaled.map((s) => Math.exp(s - total));
  }
}

function logSumExp(values) {
  const largest = Math.max(...values);
  return largest + Math.log(
    values.reduce((sum, v) => sum + Math.exp(v - largest), 0));
}
