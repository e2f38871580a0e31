// A model that was exported with its preprocessing and an open vocabulary.
import * as ort from './runtime/ort.wasm.min.mjs';
import {Tokenizer} from './tokenizer.js';

const LARGEST = 2048;  // larger photos are made smaller before

// Read a file that was compressed by gzip.
async function read(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  const plain = answer.body.pipeThrough(new DecompressionStream('gzip'));
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
    this.added = [];  // {name, weights}
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
    if (this.names().some(same)) {
      throw new Error(`“${name}” is there already.`);
    }
    const {class_weights: weights} = await this.text.run(this.tokenize(name));
    this.added.push({name, weights: weights.data});
  }

  names() {
    return [...this.about.classes, ...this.added.map(({name}) => name)];
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

  // Probabilities of all classes, in the order of names(). Trained classes
  // keep their scores among each other; see docs/export.md.
  score(found) {
    if (!this.added.length) return Array.from(found.probabilities);
    const {trained, temperature} = this.about;
    const pick = (values) => Array.from(values).filter((_, c) => trained[c]);
    const shift = trained.some(Boolean)
      ? logSumExp(pick(found.similarities)) - logSumExp(pick(found.logits))
      : 0;
    const scores = Array.from(found.similarities, (s, c) => (
      trained[c] ? found.logits[c] + shift : s));
    for (const {weights} of this.added) {
      scores.push(weights.reduce(
        (sum, w, d) => sum + w * found.image_features[d], 0));
    }
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
