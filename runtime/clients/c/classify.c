/* Classifies rows with the defended graph of a bundle, on nothing but ONNX Runtime's C API.
 *
 * Standard input holds one row a line: its token ids, or, for a graph with the tokenizer inside, its
 * text. Standard output gets one JSON object for each. Rows run one at a time, since an int8 graph
 * scales the activations of all rows of a run together. */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxruntime_c_api.h"

enum { MOST_INPUTS = 4, LOGITS = 0, SCORE, FLAGGED, OUTPUTS };

static const char *const OUTPUT_NAMES[OUTPUTS] = {"logits", "anomaly_score", "flagged"};

/* In UTF-8, what Python's str.strip takes for white space. */
static const char *const WHITE_SPACE[] = {
    "\t", "\v", "\f", "\r", "\x1c", "\x1d", "\x1e", "\x1f", " ", "\xc2\x85", "\xc2\xa0",
    "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84",
    "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a",
    "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};

static const OrtApi *ort;

/* Of the row that is read or run, from 1. */
static size_t line_number;

/* What stays the same from row to row. */
typedef struct {
    OrtSession *session;
    OrtMemoryInfo *memory;
    OrtAllocator *allocator;
    char *names[MOST_INPUTS]; /* of the inputs of a row, then "threshold" where it is given */
    size_t rows;              /* inputs of a row */
    size_t inputs;            /* and with the threshold */
    bool takes_text;
    float threshold;
} Classifier;

static void fail(const char *what, const char *found) {
    fprintf(stderr, "error: %s: %s\n", what, found);
    exit(EXIT_FAILURE);
}

static void refuse_line(const char *expected, const char *line) {
    fprintf(stderr, "error: line %zu: %s: %s\n", line_number, expected, line);
    exit(EXIT_FAILURE);
}

static void check(OrtStatus *status, const char *what) {
    if (status != NULL) fail(what, ort->GetErrorMessage(status));
}

static void *grown(void *block, size_t bytes) {
    void *result = realloc(block, bytes);
    if (result == NULL) fail("memory", "there is no more");
    return result;
}

/* The next line without its end, in *line; false at the end of the input. */
static bool read_line(char **line, size_t *capacity) {
    size_t length = 0;
    int next;
    line_number++;
    while ((next = getchar()) != EOF && next != '\n') {
        if (length + 2 > *capacity) *line = grown(*line, *capacity = 2 * *capacity + 64);
        (*line)[length++] = (char)next;
        /* It would end the row for everyone who reads it. */
        if (next == '\0') refuse_line("a line without the character NUL is expected", *line);
    }
    if (ferror(stdin)) fail("standard input", strerror(errno));
    if (next == EOF && length == 0) return false;
    if (length > 0 && (*line)[length - 1] == '\r') length--;
    if (length + 1 > *capacity) *line = grown(*line, *capacity = 64);
    (*line)[length] = '\0';
    return true;
}

/* The ids of a line, in *ids; returns how many. */
static size_t read_ids(const char *line, int64_t **ids) {
    size_t count = 0, capacity = 0;
    *ids = NULL;
    for (const char *place = line;;) {
        char *end;
        errno = 0;
        long long id = strtoll(place, &end, 10);
        if (end == place) break;
        if (errno != 0 || id < 0) refuse_line("token ids from 0 up are expected", line);
        if (count == capacity) {
            capacity = 2 * capacity + 64;
            *ids = grown(*ids, capacity * sizeof **ids);
        }
        (*ids)[count++] = id;
        place = end;
    }
    const char *rest = line + strlen(line);
    while (rest > line && strchr(" \t0123456789", rest[-1]) != NULL) rest--;
    if (count == 0 || rest != line) refuse_line("a line of token ids is expected", line);
    return count;
}

static void require_text(const char *line) {
    const char *rest = line;
    for (size_t i = 0; i < sizeof WHITE_SPACE / sizeof *WHITE_SPACE;) {
        size_t length = strlen(WHITE_SPACE[i]);
        if (strncmp(rest, WHITE_SPACE[i], length) == 0) {
            rest += length;
            i = 0;
        } else {
            i++;
        }
    }
    if (*rest == '\0') refuse_line("a text with more than white space is expected", line);
}

static OrtValue *tensor(const Classifier *classifier, void *data, size_t bytes,
                        const int64_t *shape, size_t rank, ONNXTensorElementDataType type) {
    OrtValue *value;
    check(ort->CreateTensorWithDataAsOrtValue(classifier->memory, data, bytes, shape, rank, type,
                                              &value),
          "a tensor");
    return value;
}

static OrtValue *text_tensor(const Classifier *classifier, const char *text) {
    const int64_t one = 1;
    OrtValue *value;
    check(ort->CreateTensorAsOrtValue(classifier->allocator, &one, 1,
                                      ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, &value),
          "a tensor");
    check(ort->FillStringTensor(value, &text, 1), "a tensor");
    return value;
}

static void *data_of(OrtValue *value) {
    void *data;
    check(ort->GetTensorMutableData(value, &data), "an output");
    return data;
}

static size_t size_of(const OrtValue *value) {
    OrtTensorTypeAndShapeInfo *info;
    size_t size;
    check(ort->GetTensorTypeAndShape(value, &info), "an output");
    check(ort->GetTensorShapeElementCount(info, &size), "an output");
    ort->ReleaseTensorTypeAndShapeInfo(info);
    return size;
}

/* JSON has no NaN and no infinity. */
static void print_number(float number) {
    if (isfinite(number)) printf("%.9g", number);
    else printf("null");
}

static void print_row(OrtValue *const outputs[OUTPUTS]) {
    const float *logits = data_of(outputs[LOGITS]);
    size_t classes = size_of(outputs[LOGITS]), best = 0;
    /* The first NaN, where there is one, counts as the largest, as it does in Python. */
    for (size_t c = 1; c < classes && !isnan(logits[best]); c++)
        if (!(logits[c] <= logits[best])) best = c;
    printf("{\"class\": %zu, \"logits\": [", best);
    for (size_t c = 0; c < classes; c++) {
        if (c > 0) printf(", ");
        print_number(logits[c]);
    }
    printf("], \"anomaly_score\": ");
    print_number(*(const float *)data_of(outputs[SCORE]));
    printf(", \"flagged\": %s}\n", *(const bool *)data_of(outputs[FLAGGED]) ? "true" : "false");
}

static void classify(Classifier *classifier, const char *line) {
    OrtValue *given[MOST_INPUTS] = {NULL}, *outputs[OUTPUTS] = {NULL};
    int64_t *ids = NULL, *ones = NULL, *zeros = NULL;
    const int64_t one = 1;
    if (classifier->takes_text) {
        require_text(line);
        given[0] = text_tensor(classifier, line);
    } else {
        size_t count = read_ids(line, &ids), bytes = count * sizeof *ids;
        const int64_t shape[] = {1, (int64_t)count};
        ones = grown(NULL, bytes);
        zeros = grown(NULL, bytes);
        memset(zeros, 0, bytes);
        for (size_t i = 0; i < count; i++) ones[i] = 1;
        for (size_t i = 0; i < classifier->rows; i++) {
            const char *name = classifier->names[i];
            int64_t *data = strcmp(name, "input_ids") == 0        ? ids
                            : strcmp(name, "attention_mask") == 0 ? ones
                                                                  : zeros;
            given[i] = tensor(classifier, data, bytes, shape, 2, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
        }
    }
    if (classifier->inputs > classifier->rows)
        given[classifier->rows] = tensor(classifier, &classifier->threshold, sizeof(float), &one, 1,
                                         ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
    check(ort->Run(classifier->session, NULL, (const char *const *)classifier->names,
                   (const OrtValue *const *)given, classifier->inputs, OUTPUT_NAMES, OUTPUTS, outputs),
          "the run of a row");
    print_row(outputs);
    for (size_t i = 0; i < classifier->inputs; i++) ort->ReleaseValue(given[i]);
    for (size_t i = 0; i < OUTPUTS; i++) ort->ReleaseValue(outputs[i]);
    free(ids);
    free(ones);
    free(zeros);
}

static void name_inputs(Classifier *classifier, bool with_threshold) {
    static char threshold[] = "threshold";
    check(ort->SessionGetInputCount(classifier->session, &classifier->rows), "the inputs");
    if (classifier->rows >= MOST_INPUTS) fail("the inputs", "more than a defended graph has");
    for (size_t i = 0; i < classifier->rows; i++) {
        char **name = &classifier->names[i];
        check(ort->SessionGetInputName(classifier->session, i, classifier->allocator, name),
              "the inputs");
        if (strcmp(*name, "text") == 0) classifier->takes_text = true;
        else if (strcmp(*name, "input_ids") != 0 && strcmp(*name, "attention_mask") != 0 &&
                 strcmp(*name, "token_type_ids") != 0)
            fail("an input that no defended graph has", *name);
    }
    classifier->inputs = classifier->rows;
    if (with_threshold) classifier->names[classifier->inputs++] = threshold;
}

static void usage(void) {
    fprintf(stderr, "usage: classify MODEL [--threshold NUMBER] [--extensions LIBRARY] < rows\n"
                    "MODEL is a bundle's onnx/model.onnx or model.ort; a row is a line of token ids.\n"
                    "With onnxruntime-extensions' LIBRARY, MODEL may hold the tokenizer: a row is a text.\n");
    exit(2);
}

int main(int count, char **words) {
    Classifier classifier = {0};
    const char *model = NULL, *extensions = NULL, *threshold = NULL;
    for (int i = 1; i < count; i++) {
        const char **value = strcmp(words[i], "--threshold") == 0    ? &threshold
                             : strcmp(words[i], "--extensions") == 0 ? &extensions
                                                                     : NULL;
        if (value != NULL && i + 1 < count) *value = words[++i];
        else if (value == NULL && model == NULL && words[i][0] != '-') model = words[i];
        else usage();
    }
    if (model == NULL) usage();
    if (threshold != NULL) {
        char *end;
        classifier.threshold = strtof(threshold, &end);
        if (end == threshold || *end != '\0' || isnan(classifier.threshold))
            fail("a number is expected for --threshold", threshold);
    }

    ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (ort == NULL) fail("ONNX Runtime is older than its headers", OrtGetApiBase()->GetVersionString());
    OrtEnv *environment;
    OrtSessionOptions *options;
    /* Every load warns that `threshold` is an initializer and an input, which is its purpose. */
    check(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "clampdown", &environment), "ONNX Runtime");
    check(ort->CreateSessionOptions(&options), "ONNX Runtime");
    if (extensions != NULL)
        check(ort->RegisterCustomOpsLibrary_V2(options, extensions), "the extensions");
    check(ort->CreateSession(environment, model, options, &classifier.session), "the model");
    check(ort->GetAllocatorWithDefaultOptions(&classifier.allocator), "ONNX Runtime");
    check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &classifier.memory),
          "ONNX Runtime");
    name_inputs(&classifier, threshold != NULL);

    char *line = NULL;
    size_t capacity = 0;
    while (read_line(&line, &capacity)) classify(&classifier, line);
    free(line);

    for (size_t i = 0; i < classifier.rows; i++)
        check(ort->AllocatorFree(classifier.allocator, classifier.names[i]), "a name");
    ort->ReleaseMemoryInfo(classifier.memory);
    ort->ReleaseSession(classifier.session);
    ort->ReleaseSessionOptions(options);
    ort->ReleaseEnv(environment);
    return ferror(stdout) || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
