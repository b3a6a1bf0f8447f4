/* SPDX-License-Identifier: MIT
 *
 * Datasets: read from files good and bad, made from arrays, and split.
 */
#define _POSIX_C_SOURCE 200809L
#include "nn_testing.h"

#include <locale.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- Files ------------------------------------------------------------------------------------
 */

static char path[64];

static int make_file(void **state)
{
    (void)state;
    strcpy(path, "/tmp/wengert-test-XXXXXX");
    const int descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_file(void **state)
{
    (void)state;
    return remove(path);
}

static void write_bytes(const void *bytes, size_t size)
{
    (void)remove(path); /* some file systems write a file that is truncated to the disk at once */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static nn_dataset *read_text(const char *text, const nn_csv_options *options, nn_error *error)
{
    write_bytes(text, strlen(text));
    return nn_read_csv(path, options, error);
}

static nn_dataset *must_read(const char *text, const nn_csv_options *options)
{
    nn_error error = {.message = ""};
    nn_dataset *data = read_text(text, options, &error);
    if (data == NULL)
        print_error("%s\n", error.message);
    assert_non_null(data);
    return data;
}

/* ---- Good files -------------------------------------------------------------------------------
 */

static void test_plain(void **state)
{
    (void)state;
    nn_error error;
    memset(&error, 77, sizeof(error));
    const nn_error before = error;
    nn_dataset *data = read_text("1,2.5,cat\n-3,4e2,dog\n5,6,cat\n", NULL, &error);
    assert_non_null(data);
    assert_memory_equal(&error, &before, sizeof(error));
    assert_int_equal(nn_rows(data), 3);
    assert_int_equal(nn_features(data), 2);
    assert_int_equal(nn_classes(data), 2);
    assert_int_equal(nn_targets(data), 2);
    assert_close(nn_row_inputs(data, 0)[1], 2.5, 0);
    assert_close(nn_row_inputs(data, 1)[0], -3, 0);
    assert_close(nn_row_inputs(data, 1)[1], 400, 0);
    assert_int_equal(nn_row_class(data, 0), 0);
    assert_int_equal(nn_row_class(data, 1), 1);
    assert_int_equal(nn_row_class(data, 2), 0);
    assert_string_equal(nn_class_name(data, 0), "cat");
    assert_string_equal(nn_class_name(data, 1), "dog");
    assert_string_equal(nn_feature_name(data, 0), "x0");
    assert_string_equal(nn_feature_name(data, 1), "x1");
    assert_null(nn_row_inputs(data, 3));
    assert_null(nn_row_targets(data, 0));
    assert_int_equal(nn_row_class(data, 3), 0);
    assert_null(nn_class_name(data, 2));
    assert_null(nn_feature_name(data, 2));
    nn_dataset_free(data);
}

static void test_nothing(void **state)
{
    (void)state;
    nn_dataset_free(NULL);
    assert_int_equal(nn_rows(NULL), 0);
    assert_int_equal(nn_features(NULL), 0);
    assert_int_equal(nn_classes(NULL), 0);
    assert_int_equal(nn_targets(NULL), 0);
    assert_null(nn_row_inputs(NULL, 0));
    assert_null(nn_row_targets(NULL, 0));
    assert_int_equal(nn_row_class(NULL, 0), 0);
    assert_null(nn_class_name(NULL, 0));
    assert_null(nn_feature_name(NULL, 0));
}

#define BOM "\xEF\xBB\xBF"

/* The same two rows, written in every way that is allowed. */
static void test_forms(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "1,2,a\n3,4,b\n",
        "1,2,a\n3,4,b",
        "1,2,a\r\n3,4,b\r\n",
        "1,2,a\r\n3,4,b",
        "1,2,a\r\n3,4,b\r",
        "1,2,a\n3,4,b\n\n\n",
        "1,2,a\n3,4,b\r\n\r\n\n",
        BOM "1,2,a\n3,4,b\n",
        "\"1\",\"2\",\"a\"\n3,4,\"b\"",
        BOM "\"1\",2,a\n3,4,b\n",
        " 1 ,\t2,a\n3 , 4\t,b\n",
        "+1,2.,a\n3.0e0,.4E+1,b\n",
        "01,0.2e1,a\n300e-2,40E-1,b\n",
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        nn_dataset *data = must_read(forms[i], NULL);
        assert_int_equal(nn_rows(data), 2);
        assert_int_equal(nn_features(data), 2);
        for (size_t row = 0; row < 2; row++) {
            assert_close(nn_row_inputs(data, row)[0], 1 + 2 * (double)row, 0);
            assert_close(nn_row_inputs(data, row)[1], 2 + 2 * (double)row, 0);
            assert_int_equal(nn_row_class(data, row), row);
            assert_string_equal(nn_class_name(data, row), row == 0 ? "a" : "b");
        }
        nn_dataset_free(data);
    }
}

static void test_quotes(void **state)
{
    (void)state;
    nn_dataset *data = must_read("1,\"a,b\"\n2,\"say \"\"yes\"\"\"\n3,\"two\nlines\"\n4,\"\"\"\"\n"
                                 "5,\" a \"\n6,\"two\r\nlines\"\n",
                                 NULL);
    static const char *const names[] = {"a,b", "say \"yes\"", "two\nlines",
                                        "\"",  " a ",         "two\r\nlines"};
    assert_int_equal(nn_classes(data), 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(nn_class_name(data, nn_row_class(data, i)), names[i]);
    nn_dataset_free(data);
}

static void test_header(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        nn_csv_header header;
        size_t rows;
        const char *first; /* feature's name */
    } cases[] = {
        {"length,width,kind\n1,2,a\n", NN_HEADER_GUESS, 1, "length"},
        {"\"the \"\"length\"\"\",width,kind\n1,2,a\n", NN_HEADER_GUESS, 1, "the \"length\""},
        {"length,width,7\n1,2,a\n", NN_HEADER_YES, 1, "length"},
        {"1,2,3\n1,2,3\n", NN_HEADER_YES, 1, "1"},
        {"1,2,3\n1,2,3\n", NN_HEADER_NO, 2, "x0"},
        {"1,2,3\n1,2,3\n", NN_HEADER_GUESS, 2, "x0"},
        {"1,2,a\n1,2,b\n", NN_HEADER_GUESS, 2, "x0"},
        {",width,kind\n1,2,a\n", NN_HEADER_GUESS, 1, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nn_dataset *data = must_read(
            cases[i].text, &(nn_csv_options){.label_column = -1, .header = cases[i].header});
        assert_int_equal(nn_rows(data), cases[i].rows);
        assert_string_equal(nn_feature_name(data, 0), cases[i].first);
        nn_dataset_free(data);
    }
    /* the label's name is not a feature's */
    nn_dataset *data = must_read("kind,length,width\na,1,2\n", &(nn_csv_options){0});
    assert_string_equal(nn_feature_name(data, 0), "length");
    assert_string_equal(nn_feature_name(data, 1), "width");
    nn_dataset_free(data);
}

static void test_label_column(void **state)
{
    (void)state;
    static const struct {
        int column;
        double first, second; /* features */
        const char *name;
    } cases[] = {{0, 2, 3, "1"},  {1, 1, 3, "2"},  {2, 1, 2, "3"},
                 {-1, 1, 2, "3"}, {-2, 1, 3, "2"}, {-3, 2, 3, "1"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nn_dataset *data = must_read("1,2,3\n", &(nn_csv_options){.label_column = cases[i].column});
        assert_close(nn_row_inputs(data, 0)[0], cases[i].first, 0);
        assert_close(nn_row_inputs(data, 0)[1], cases[i].second, 0);
        assert_string_equal(nn_class_name(data, 0), cases[i].name);
        nn_dataset_free(data);
    }
}

static void check_classes(const char *text, size_t count, const char *const *names)
{
    nn_dataset *data = must_read(text, NULL);
    assert_int_equal(nn_classes(data), count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(nn_class_name(data, i), names[i]);
    nn_dataset_free(data);
}

static void test_class_order(void **state)
{
    (void)state;
    check_classes("1,b\n1,a\n1,c\n1,a\n", 3, (const char *[]){"b", "a", "c"});
    check_classes("1,10\n1,9\n1,-1\n1,9\n1,2.5\n", 4, (const char *[]){"-1", "2.5", "9", "10"});
    check_classes("1,10\n1,9\n1,x\n", 3, (const char *[]){"10", "9", "x"});
    check_classes("1,2\n1,nan\n1,1\n", 3, (const char *[]){"2", "nan", "1"});
    /* to the letter, though the numbers are equal: then in order of appearance */
    check_classes("1,1.0\n1,1\n1,0\n", 3, (const char *[]){"0", "1.0", "1"});
    nn_dataset *data = must_read("1,3\n2,1\n3,2\n4,3\n", NULL);
    static const size_t expected[] = {2, 0, 1, 2};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(nn_row_class(data, i), expected[i]);
    nn_dataset_free(data);
}

static void test_separator_and_regression(void **state)
{
    (void)state;
    nn_dataset *data =
        must_read("a;b;y\n1;2,5;3.5\n", &(nn_csv_options){.label_column = 1, .separator = ';'});
    assert_string_equal(nn_class_name(data, 0), "2,5");
    nn_dataset_free(data);
    data = must_read("1\t2\t3.5\n4\t5\t-6e1\n",
                     &(nn_csv_options){.label_column = -1, .separator = '\t', .regression = true});
    assert_int_equal(nn_classes(data), 0);
    assert_int_equal(nn_targets(data), 1);
    assert_close(nn_row_targets(data, 0)[0], 3.5, 0);
    assert_close(nn_row_targets(data, 1)[0], -60, 0);
    assert_int_equal(nn_row_class(data, 1), 0);
    assert_null(nn_row_targets(data, 2));
    assert_null(nn_class_name(data, 0));
    nn_dataset_free(data);
}

/* ---- Numbers ----------------------------------------------------------------------------------
 */

static ag_real read_with_c(const char *text)
{
#ifdef AG_REAL_FLOAT
    return strtof(text, NULL);
#else
    return strtod(text, NULL);
#endif
}

/* Reads the texts as one row and compares them, to the bit, with the C library in its own locale.
 */
static void check_numbers(size_t n, char *const *texts)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (size_t i = 0; i < n; i++)
        fprintf(file, "%s,", texts[i]);
    fprintf(file, "label\n");
    assert_int_equal(fclose(file), 0);
    nn_error error = {.message = ""};
    nn_dataset *data = nn_read_csv(path, NULL, &error);
    assert_string_equal(error.message, "");
    for (size_t i = 0; i < n; i++) {
        const ag_real expected = read_with_c(texts[i]);
        if (memcmp(&nn_row_inputs(data, 0)[i], &expected, sizeof(expected)) != 0) {
            print_error("%s\n", texts[i]);
            fail();
        }
    }
    nn_dataset_free(data);
}

static void test_rounding(void **state)
{
    (void)state;
    static char *hard[] = {
        "0.1",
        "-0",
        "-0.0e5",
        "123456789012345678",
        "9007199254740993",      /* 2^53 + 1: a tie */
        "9007199254740992.5",    /* between the tie and an even one */
        "9007199254740993.0001", /* just above a tie */
        "8.5e15",
        "18446744073709551617", /* 2^64 + 1 */
        "1e22",
        "1e23", /* the first power of ten that is no double */
        "2.2250738585072011e-308",
        "4.9e-324",
        "2.4703282292062327e-324", /* rounds to 0 */
        "16777217",                /* 2^24 + 1: a tie between floats */
        "1.00000005960464477539062499999999",
        "0.000000000000000000000000000000000001",
        "1e-400",
        "0e400",
        "3.4028235e38",
        "000000000000000000000000000000000000000000000000000000000000012.5",
        "12.500000000000000000000000000000000000000000000000000000000000",
        "1e0000000000000000000000000000000000000005",
        "1e-99999999999999999999999999999999999",
        "0.0000000000000000000000000000000001e34",
        "100000000000000000000000000000000000000e-38",
    };
    check_numbers(sizeof(hard) / sizeof(hard[0]), hard);
    enum {
        N = 20000,
        LENGTH = 48
    };
    char **texts = malloc(N * sizeof(*texts));
    char *space = malloc(N * LENGTH);
    assert_non_null(texts);
    assert_non_null(space);
    nn_random random = nn_random_seed(41);
    for (size_t i = 0; i < N; i++) {
        char *text = texts[i] = space + i * LENGTH;
        const size_t digits = 1 + nn_random_below(&random, 20);
        const size_t point = nn_random_below(&random, digits + 1);
        for (size_t k = 0; k < digits; k++) {
            if (k == point)
                *text++ = '.';
            *text++ = (char)('0' + nn_random_below(&random, 10));
        }
        sprintf(text, "e%d", (int)nn_random_below(&random, 50) - 36);
    }
    check_numbers(N, texts);
    free(texts);
    free(space);
}

/* What is read back from 17 digits is what was written. */
static void test_round_trip(void **state)
{
    (void)state;
    enum {
        ROWS = 200,
        COLUMNS = 7
    };
    static ag_real numbers[ROWS][COLUMNS];
    nn_random random = nn_random_seed(42);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (size_t row = 0; row < ROWS; row++) {
        const size_t klass = nn_random_below(&random, 3);
        for (size_t i = 0; i < COLUMNS; i++) {
            const int exponent = (int)nn_random_below(&random, 60) - 30;
            numbers[row][i] = (ag_real)ldexp(nn_random_normal(&random), exponent);
            const bool quoted = nn_random_below(&random, 4) == 0;
            fprintf(file, quoted ? "\"%.17g\"," : "%.17g,", (double)numbers[row][i]);
        }
        fprintf(file,
                klass == 0   ? "\"c,0\"%s"
                : klass == 1 ? "c1%s"
                             : "\"c\n2\"%s",
                nn_random_below(&random, 2) == 0 ? "\n" : "\r\n");
    }
    assert_int_equal(fclose(file), 0);
    nn_dataset *data = nn_read_csv(path, NULL, NULL);
    assert_int_equal(nn_rows(data), ROWS);
    assert_int_equal(nn_features(data), COLUMNS);
    assert_int_equal(nn_classes(data), 3);
    for (size_t row = 0; row < ROWS; row++)
        assert_memory_equal(nn_row_inputs(data, row), numbers[row], sizeof(numbers[row]));
    nn_dataset_free(data);
}

/* A locale with a comma in its numbers changes neither what is read nor the messages. */
static void test_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "fr_FR.utf8",
                                        "de_DE",       "fr_FR",       "comma"};
    bool found = false;
    for (size_t i = 0; !found && i < sizeof(names) / sizeof(names[0]); i++)
        found = setlocale(LC_ALL, names[i]) != NULL && localeconv()->decimal_point[0] == ',';
    if (!found) {
        (void)setlocale(LC_ALL, "C");
        skip();
    }
    nn_dataset *data = must_read("1.5,1.234567890123456789,a\n", NULL);
    assert_close(nn_row_inputs(data, 0)[0], 1.5, 0);
    assert_close(nn_row_inputs(data, 0)[1], 1.2345678901234567, ROUNDING);
    nn_dataset_free(data);
    nn_error error;
    assert_null(read_text("1.5,a\n\"1,5\",a\n", NULL, &error));
    assert_contains(error.message, "\"1,5\" is not a number");
    assert_int_equal(localeconv()->decimal_point[0], ','); /* and the caller's is back */
    (void)setlocale(LC_ALL, "C");
}

/* ---- Bad files --------------------------------------------------------------------------------
 */

static void check_error(const nn_error *error, ag_status status, size_t line, size_t column,
                        const char *part)
{
    assert_int_equal(error->status, status);
    assert_int_equal(error->line, line);
    assert_int_equal(error->column, column);
    assert_string_equal(error->file, path);
    assert_contains(error->message, path);
    assert_contains(error->message, part);
    char place[64];
    if (line > 0) {
        (void)snprintf(place, sizeof(place), ", line %zu, column %zu: ", line, column);
        assert_contains(error->message, place);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t line, column;
        const char *part;
    } cases[] = {
        {"", 0, 0, "the file is empty"},
        {"\n\n", 0, 0, "the file is empty"},
        {BOM, 0, 0, "the file is empty"},
        {"length,kind\n", 0, 0, "a header, but no rows"},
        {"length,kind", 0, 0, "a header, but no rows"},
        {"alone\n", 1, 1, "one cell"},
        {"\n1,2\n", 1, 1, "one cell"},
        {"1,2,a\n1,x,a\n", 2, 2, "\"x\" is not a number"},
        {"a,b,c\nd,e,f\n", 1, 1, "\"a\" is not a number"},
        {"a,b,c\nd,e,1\n", 1, 1, "\"a\" is not a number"},
        {"1,2,a\n1,,a\n", 2, 2, "empty"},
        {"1,2,a\n1,  ,a\n", 2, 2, "empty"},
        {"1,2,a\n1,\"\",a\n", 2, 2, "empty"},
        {"1,2,a\n1,2,\n", 2, 3, "the class is empty"},
        {"1,2,a\n1,nan,a\n", 2, 2, "\"nan\" is not a number"},
        {"1,2,a\n1,NAN(1),a\n", 2, 2, "not a number"},
        {"1,2,a\n-inf,2,a\n", 2, 1, "\"-inf\" is not a number"},
        {"1,2,a\n1,Infinity,a\n", 2, 2, "not a number"},
        {"1,2,a\n1,0x10,a\n", 2, 2, "\"0x10\" is not a number"},
        {"1,2,a\n1,1e999,a\n", 2, 2, "1e999 is too large"},
        {"1,2,a\n1,1e,a\n", 2, 2, "\"1e\" is not a number"},
        {"1,2,a\n1,1e+,a\n", 2, 2, "not a number"},
        {"1,2,a\n1,.,a\n", 2, 2, "\".\" is not a number"},
        {"1,2,a\n1,-,a\n", 2, 2, "not a number"},
        {"1,2,a\n1,--1,a\n", 2, 2, "not a number"},
        {"1,2,a\n1,1.2.3,a\n", 2, 2, "not a number"},
        {"1,2,a\n1,1 2,a\n", 2, 2, "not a number"},
        {"1,2,a\n1,1d2,a\n", 2, 2, "not a number"},
        {"1,2,a\n1,\x01\xFF\x7Fx,a\n", 2, 2, "\"???x\" is not a number"},
        {"1,2,a\n1,aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd,a\n", 2, 2, "bcccccccccc...\" is not"},
        {"1,2,a\n1,2\n", 2, 3, "expected 3 cells, as in the first line, and found 2"},
        {"1,2,a\n1\n", 2, 2, "found 1"},
        {"1,2,a\n1,2,a,4,5\n", 2, 4, "found 5"},
        {"1,2,a\n1,2,a,\n", 2, 4, "found 4"},
        {"1,2,a\n\n1,2,a\n", 2, 2, "found 1"},
        {"x,y,kind\n1,2\n", 2, 3, "found 2"},
        {"1,2,a\n3,4", 2, 3, "found 2"},
        {"1,2,a\n1,\"2,a\n3,4,b\n", 2, 2, "the quote is not closed"},
        {"1,2,a\n1,2,\"", 2, 3, "the quote is not closed"},
        {"1,2,\"\"\"", 1, 3, "the quote is not closed"},
        {"1,2,a\n1,\"2\"3,a\n", 2, 2, "follows the closing quote"},
        {"1,2,a\n1,\"2\" ,a\n", 2, 2, "follows the closing quote"},
        {"1,2,a\n1,2\"3\",a\n", 2, 2, "a quote in a cell"},
        {"1,2,a\n1, \"2\",a\n", 2, 2, "a quote in a cell"},
        {"1,2,a\r3,4,b\r", 1, 3, "a carriage return without a line feed"},
        {"1,2,\"a\"\r3,4,b\r", 1, 3, "follows the closing quote"},
        /* lines count as an editor counts them, through quotes */
        {"1,\"a\n\n\"\n1,\"b\"\nx,c\n", 5, 1, "\"x\" is not a number"},
        {"1,2,\"a\n\n\"\n1\n", 4, 2, "found 1"},
        {"1,2,\"a\r\n\"\r\n\"2\n\",x,c\r\n", 3, 1, "\"2?\" is not a number"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nn_error error;
        nn_dataset *data = read_text(cases[i].text, NULL, &error);
        if (data != NULL)
            print_error("read in spite of \"%s\"\n", cases[i].part);
        assert_null(data);
        check_error(&error, AG_PARSE, cases[i].line, cases[i].column, cases[i].part);
        assert_null(nn_read_csv(path, NULL, NULL));
    }
    nn_error error;
    assert_null(
        read_text("1,2\n3,x\n", &(nn_csv_options){.label_column = -1, .regression = true}, &error));
    check_error(&error, AG_PARSE, 2, 2, "\"x\" is not a number");
}

static void test_binary(void **state)
{
    (void)state;
    nn_error error;
    write_bytes("1,2,a\n1,\0,a\n", 12);
    assert_null(nn_read_csv(path, NULL, &error));
    check_error(&error, AG_PARSE, 2, 2, "a NUL byte");
    write_bytes("1,2,a\n1,\"b\nb\0\",a\n", 18);
    assert_null(nn_read_csv(path, NULL, &error));
    check_error(&error, AG_PARSE, 3, 2, "a NUL byte");
    write_bytes("1,a\n\0", 5);
    assert_null(nn_read_csv(path, NULL, &error));
    check_error(&error, AG_PARSE, 2, 1, "a NUL byte");
    write_bytes("\xFF\xFE\x31\0,\0a\0\n\0", 10); /* UTF-16 */
    assert_null(nn_read_csv(path, NULL, &error));
    check_error(&error, AG_PARSE, 1, 1, "a NUL byte");
    unsigned char noise[5000];
    nn_random random = nn_random_seed(43);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof(noise); i++)
            noise[i] = (unsigned char)nn_random_below(&random, 256);
        write_bytes(noise, sizeof(noise));
        assert_null(nn_read_csv(path, NULL, &error));
        assert_int_equal(error.status, AG_PARSE);
    }
}

/* Short files of the characters that mean something: whatever comes out is whole. */
static void test_mutations(void **state)
{
    (void)state;
    static const char alphabet[] = "11223456789,,,,,\"\"\n\n\r.-e a\0\xEF";
    nn_random random = nn_random_seed(44);
    int good = 0;
    for (int round = 0; round < 4000; round++) {
        char text[24];
        const size_t size = nn_random_below(&random, sizeof(text));
        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[nn_random_below(&random, sizeof(alphabet) - 1)];
        write_bytes(text, size);
        nn_error error = {.message = ""};
        nn_dataset *data = nn_read_csv(path, NULL, &error);
        if (data == NULL) {
            assert_int_equal(error.status, AG_PARSE);
            assert_true(strlen(error.message) > strlen(path));
            continue;
        }
        good++;
        assert_true(nn_rows(data) > 0 && nn_features(data) > 0 && nn_classes(data) > 0);
        for (size_t row = 0; row < nn_rows(data); row++) {
            assert_true(nn_row_class(data, row) < nn_classes(data));
            for (size_t i = 0; i < nn_features(data); i++)
                assert_true(isfinite(nn_row_inputs(data, row)[i]));
        }
        nn_dataset_free(data);
    }
    assert_true(good > 50);
}

static void test_unreadable(void **state)
{
    (void)state;
    nn_error error;
    assert_null(nn_read_csv("/nowhere/to/be/found.csv", NULL, &error));
    assert_int_equal(error.status, AG_IO);
    assert_string_equal(error.file, "/nowhere/to/be/found.csv");
    assert_string_equal(error.message,
                        "/nowhere/to/be/found.csv: can't be opened: No such file or directory");
    assert_null(nn_read_csv("/tmp", NULL, &error));
    assert_int_equal(error.status, AG_IO);
    assert_string_equal(error.message, "/tmp: can't be read: Is a directory");
    assert_null(nn_read_csv(NULL, NULL, &error));
    assert_int_equal(error.status, AG_INVALID_ARGUMENT);
    if (geteuid() != 0) {
        write_bytes("1,2\n", 4);
        assert_int_equal(chmod(path, 0), 0);
        assert_null(nn_read_csv(path, NULL, &error));
        assert_int_equal(error.status, AG_IO);
        assert_contains(error.message, "Permission denied");
        assert_int_equal(chmod(path, 0600), 0);
    }
    /* a path of 1000 letters: of the path its end, and the whole reason */
    char longest[1001];
    memset(longest, 'x', 1000);
    strcpy(longest + 990, "/last.csv");
    assert_null(nn_read_csv(longest, NULL, &error));
    assert_contains(error.message, "/last.csv: can't be opened: ");
    assert_contains(error.file, "/last.csv");
    assert_true(strlen(error.file) == sizeof(error.file) - 1);
}

static void test_bad_options(void **state)
{
    (void)state;
    nn_error error;
    const int columns[] = {3, 100, -4, -100, 2147483647, -2147483647 - 1};
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        assert_null(read_text("1,2,3\n", &(nn_csv_options){.label_column = columns[i]}, &error));
        check_error(&error, AG_INVALID_ARGUMENT, 0, 0, "of a file of 3 columns");
    }
    const char separators[] = {'"', '\n', '\r'};
    for (size_t i = 0; i < 3; i++) {
        assert_null(read_text("1,2,3\n", &(nn_csv_options){.separator = separators[i]}, &error));
        assert_int_equal(error.status, AG_INVALID_ARGUMENT);
    }
}

/* ---- Large files ------------------------------------------------------------------------------
 */

static void test_many_columns(void **state)
{
    (void)state;
    const size_t columns = 1000000;
    char *text = malloc(2 * columns + 1);
    assert_non_null(text);
    for (size_t i = 0; i < columns; i++) {
        text[2 * i] = (char)('0' + i % 10);
        text[2 * i + 1] = i + 1 < columns ? ',' : '\n';
    }
    write_bytes(text, 2 * columns);
    nn_error error;
    nn_dataset *data = nn_read_csv(path, NULL, &error);
    assert_int_equal(nn_rows(data), 1);
    assert_int_equal(nn_features(data), columns - 1);
    assert_close(nn_row_inputs(data, 0)[columns - 2], 8, 0);
    assert_string_equal(nn_feature_name(data, columns - 2), "x999998");
    nn_dataset_free(data);
    text[2 * columns - 3] = '\n'; /* the last cell becomes a line of its own */
    write_bytes(text, 2 * columns);
    assert_null(nn_read_csv(path, NULL, &error));
    check_error(&error, AG_PARSE, 2, 2, "expected 999999 cells");
    free(text);
}

/* As many classes as rows: a list that is searched for each would take minutes. */
static void test_many_classes(void **state)
{
    (void)state;
    const size_t rows = 200000;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (size_t i = 0; i < rows; i++)
        fprintf(file, "1,name%zu\n", (size_t)((uint64_t)i * 77777 % rows));
    assert_int_equal(fclose(file), 0);
    nn_dataset *data = nn_read_csv(path, NULL, NULL);
    assert_int_equal(nn_classes(data), rows);
    for (size_t i = 0; i < rows; i += 1000)
        assert_int_equal(nn_row_class(data, i), i);
    nn_dataset_free(data);
}

static double seconds_to_read(void)
{
    const clock_t begin = clock();
    nn_dataset_free(nn_read_csv(path, NULL, NULL));
    return (double)(clock() - begin) / CLOCKS_PER_SEC;
}

/* Time is linear: a line of eight times the length takes about eight times as long, not 64 times.
 */
static void check_linear(char filler, const char *begin, const char *end)
{
    double seconds[2];
    for (int large = 0; large < 2; large++) {
        const size_t size = large ? 8 << 20 : 1 << 20;
        char *filling = malloc(size);
        assert_non_null(filling);
        memset(filling, filler, size);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fputs(begin, file);
        assert_int_equal(fwrite(filling, 1, size, file), size);
        fputs(end, file);
        assert_int_equal(fclose(file), 0);
        free(filling);
        seconds[large] = seconds_to_read();
    }
    assert_true(seconds[1] < 32 * seconds[0] + 0.2);
}

static void test_long_lines(void **state)
{
    (void)state;
    check_linear('a', "1,", "\n");
    check_linear('9', "0.", ",a\n");
    check_linear('"', "1,\"", "\"\n"); /* an even number, so half of them are content */
    check_linear('\n', "1,a\n", "x\n");
    check_linear('\n', "1,\"", "\"\n");
    check_linear(',', "1", "a\n");
}

/* ---- Arrays -----------------------------------------------------------------------------------
 */

static void test_arrays(void **state)
{
    (void)state;
    ag_real inputs[] = {1, 2, 3, 4, 5, 6};
    size_t labels[] = {1, 0, 1};
    ag_real targets[] = {7, 8, 9, 10, 11, 12};
    nn_dataset *data = nn_dataset_classes(3, 2, inputs, 3, labels, NULL);
    inputs[5] = 0; /* it was copied */
    assert_int_equal(nn_rows(data), 3);
    assert_int_equal(nn_features(data), 2);
    assert_int_equal(nn_classes(data), 3); /* one of them without a row */
    assert_close(nn_row_inputs(data, 2)[1], 6, 0);
    assert_int_equal(nn_row_class(data, 2), 1);
    assert_string_equal(nn_class_name(data, 2), "2");
    assert_string_equal(nn_feature_name(data, 1), "x1");
    nn_dataset_free(data);
    data = nn_dataset_numbers(3, 1, inputs, 2, targets, NULL);
    assert_int_equal(nn_classes(data), 0);
    assert_int_equal(nn_targets(data), 2);
    assert_close(nn_row_targets(data, 2)[1], 12, 0);
    nn_dataset_free(data);
}

static void test_array_errors(void **state)
{
    (void)state;
    ag_real inputs[] = {1, 2, 3, (ag_real)NAN}, targets[] = {1, (ag_real)INFINITY};
    size_t labels[] = {0, 2};
    nn_error error;
    assert_null(nn_dataset_classes(2, 2, inputs, 3, labels, &error));
    assert_int_equal(error.status, AG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "feature 1 of row 1 is nan");
    assert_null(nn_dataset_classes(2, 1, inputs, 2, labels, &error));
    assert_string_equal(error.message, "row 1 is of class 2, and there are 2");
    assert_null(nn_dataset_numbers(2, 1, inputs, 1, targets, &error));
    assert_string_equal(error.message, "target 0 of row 1 is inf");
    assert_null(nn_dataset_classes(0, 1, inputs, 2, labels, &error));
    assert_contains(error.message, "0 rows");
    assert_null(nn_dataset_classes(2, 0, inputs, 2, labels, &error));
    assert_contains(error.message, "0 features");
    assert_null(nn_dataset_classes(2, 1, inputs, 0, labels, &error));
    assert_contains(error.message, "0 classes");
    assert_null(nn_dataset_classes(2, 1, NULL, 2, labels, &error));
    assert_contains(error.message, "NULL");
    assert_null(nn_dataset_classes(2, 1, inputs, 2, NULL, &error));
    assert_contains(error.message, "NULL");
    assert_null(nn_dataset_numbers(2, 1, inputs, 1, NULL, &error));
    assert_int_equal(error.status, AG_INVALID_ARGUMENT);
    assert_null(nn_dataset_numbers(SIZE_MAX / 2, 4, inputs, 1, targets, &error));
    assert_int_equal(error.status, AG_OUT_OF_MEMORY);
    assert_null(nn_dataset_numbers(0, 1, inputs, 1, targets, NULL));
}

/* ---- Splits -----------------------------------------------------------------------------------
 */

/* rows of which the first feature is the row's number, in classes of these sizes, mixed */
static nn_dataset *make_classes(size_t classes, const size_t *sizes)
{
    ag_real inputs[500];
    size_t labels[500], rows = 0;
    for (size_t klass = 0; klass < classes; klass++)
        for (size_t i = 0; i < sizes[klass]; i++)
            labels[rows++] = klass;
    nn_random random = nn_random_seed(45);
    nn_random_shuffle(&random, rows, labels);
    for (size_t i = 0; i < rows; i++)
        inputs[i] = (ag_real)i;
    nn_dataset *data = nn_dataset_classes(rows, 1, inputs, classes, labels, NULL);
    assert_non_null(data);
    return data;
}

static size_t count_class(const nn_dataset *data, size_t klass)
{
    size_t count = 0;
    for (size_t row = 0; row < nn_rows(data); row++)
        count += nn_row_class(data, row) == klass;
    return count;
}

/* Both parts together are the whole, row by row. */
static void check_parts(const nn_dataset *data, const nn_dataset *first, const nn_dataset *second)
{
    const nn_dataset *parts[] = {first, second};
    bool seen[500] = {false};
    assert_int_equal(nn_rows(first) + nn_rows(second), nn_rows(data));
    for (size_t part = 0; part < 2; part++) {
        assert_int_equal(nn_classes(parts[part]), nn_classes(data));
        for (size_t row = 0; row < nn_rows(parts[part]); row++) {
            const size_t origin = (size_t)nn_row_inputs(parts[part], row)[0];
            assert_false(seen[origin]);
            seen[origin] = true;
            if (nn_classes(data) > 0)
                assert_int_equal(nn_row_class(parts[part], row), nn_row_class(data, origin));
            else
                assert_close(nn_row_targets(parts[part], row)[1], nn_row_targets(data, origin)[1],
                             0);
        }
    }
}

static void test_split(void **state)
{
    (void)state;
    static const size_t sizes[] = {50, 25, 7, 1, 0, 100};
    static const double fractions[] = {0.8, 0.5, 0.1, 0.25, 0.999};
    nn_dataset *data = make_classes(6, sizes);
    for (size_t f = 0; f < sizeof(fractions) / sizeof(fractions[0]); f++)
        for (uint64_t seed = 0; seed < 5; seed++) {
            nn_dataset *first, *second;
            const ag_status status = nn_split(data, fractions[f], seed, &first, &second);
            if (fractions[f] > 0.99) { /* rounds to all of each class */
                assert_int_equal(status, AG_INVALID_ARGUMENT);
                continue;
            }
            assert_int_equal(status, AG_OK);
            check_parts(data, first, second);
            for (size_t klass = 0; klass < 6; klass++)
                assert_int_equal(count_class(first, klass),
                                 (size_t)lround(fractions[f] * (double)sizes[klass]));
            nn_dataset_free(first);
            nn_dataset_free(second);
        }
    nn_dataset_free(data);
}

static void test_split_order(void **state)
{
    (void)state;
    nn_dataset *data = make_classes(2, (const size_t[]){60, 40}), *first[3], *second[3];
    assert_int_equal(nn_split(data, 0.5, 1, &first[0], &second[0]), AG_OK);
    assert_int_equal(nn_split(data, 0.5, 1, &first[1], &second[1]), AG_OK);
    assert_int_equal(nn_split(data, 0.5, 2, &first[2], &second[2]), AG_OK);
    size_t changes = 0, ascents = 0;
    bool differs = false;
    for (size_t row = 0; row < 50; row++) {
        const ag_real number = *nn_row_inputs(first[0], row);
        assert_true(number == *nn_row_inputs(first[1], row));
        differs = differs || number != *nn_row_inputs(first[2], row);
        if (row > 0) {
            changes += nn_row_class(first[0], row) != nn_row_class(first[0], row - 1);
            ascents += number > *nn_row_inputs(first[0], row - 1);
        }
    }
    assert_true(differs);
    assert_in_range(changes, 12, 37); /* the classes are mixed, */
    assert_in_range(ascents, 14, 35); /* and so are the rows */
    for (size_t i = 0; i < 3; i++) {
        nn_dataset_free(first[i]);
        nn_dataset_free(second[i]);
    }
    nn_dataset_free(data);
}

static void test_split_numbers(void **state)
{
    (void)state;
    ag_real inputs[9], targets[18];
    for (size_t i = 0; i < 9; i++) {
        inputs[i] = (ag_real)i;
        targets[2 * i] = 0;
        targets[2 * i + 1] = (ag_real)(10 * i);
    }
    nn_dataset *data = nn_dataset_numbers(9, 1, inputs, 2, targets, NULL), *first, *second;
    assert_int_equal(nn_split(data, 0.7, 3, &first, &second), AG_OK);
    assert_int_equal(nn_rows(first), 6);
    check_parts(data, first, second);
    nn_dataset_free(first);
    nn_dataset_free(second);
    nn_dataset_free(data);
    data = must_read("length,kind\n1,a\n2,b\n3,a\n4,b\n", NULL);
    assert_int_equal(nn_split(data, 0.5, 0, &first, &second), AG_OK);
    assert_string_equal(nn_feature_name(second, 0), "length");
    assert_string_equal(nn_class_name(second, 1), "b");
    nn_dataset_free(first);
    nn_dataset_free(second);
    nn_dataset_free(data);
}

static void test_split_errors(void **state)
{
    (void)state;
    nn_dataset *data = make_classes(2, (const size_t[]){3, 3}), *first, *second;
    const double bad[] = {0, 1, -0.5, 1.5, (double)NAN, HUGE_VAL, 1e-9, 1 - 1e-9};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        first = second = data;
        assert_int_equal(nn_split(data, bad[i], 0, &first, &second), AG_INVALID_ARGUMENT);
        assert_null(first);
        assert_null(second);
    }
    first = second = data;
    assert_int_equal(nn_split(NULL, 0.5, 0, &first, &second), AG_INVALID_ARGUMENT);
    assert_null(first);
    assert_null(second);
    second = data;
    assert_int_equal(nn_split(data, 0.5, 0, NULL, &second), AG_INVALID_ARGUMENT);
    assert_null(second);
    assert_int_equal(nn_split(data, 0.5, 0, &first, NULL), AG_INVALID_ARGUMENT);
    nn_dataset_free(data);
}

/* ---- Without memory ---------------------------------------------------------------------------
 */

static bool attempt_read(void *context)
{
    nn_error error = {.status = AG_OK};
    nn_dataset *data = nn_read_csv(path, context, &error);
    if (data == NULL) {
        assert_int_equal(error.status, AG_OUT_OF_MEMORY);
        assert_contains(error.message, "out of memory");
    }
    nn_dataset_free(data);
    return data != NULL;
}

static bool attempt_arrays(void *context)
{
    (void)context;
    const ag_real inputs[] = {1, 2};
    const size_t labels[] = {0, 1};
    nn_error error = {.status = AG_OK};
    nn_dataset *classes = nn_dataset_classes(2, 1, inputs, 2, labels, &error);
    nn_dataset *numbers = nn_dataset_numbers(2, 1, inputs, 1, inputs, &error);
    const bool succeeded = classes != NULL && numbers != NULL;
    assert_int_equal(error.status, succeeded ? AG_OK : AG_OUT_OF_MEMORY);
    nn_dataset_free(classes);
    nn_dataset_free(numbers);
    return succeeded;
}

static bool attempt_split(void *context)
{
    nn_dataset *first, *second;
    const ag_status status = nn_split(context, 0.5, 0, &first, &second);
    if (status != AG_OK) {
        assert_int_equal(status, AG_OUT_OF_MEMORY);
        assert_null(first);
        assert_null(second);
    }
    nn_dataset_free(first);
    nn_dataset_free(second);
    return status == AG_OK;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    write_bytes("a,b,\"kind\"\n", 11);
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    for (int i = 0; i < 2000; i++)
        fprintf(file, "%d,%d,%d\n", i, i * i, i % 40);
    assert_int_equal(fclose(file), 0);
    nn_csv_options options = {.label_column = -1};
    assert_in_range(fail_each_request(attempt_read, &options), 40, 1000);
    options.regression = true;
    assert_in_range(fail_each_request(attempt_read, &options), 30, 1000);
    assert_in_range(fail_each_request(attempt_arrays, NULL), 18, 100);
    nn_dataset *data = make_classes(2, (const size_t[]){4, 6});
    assert_in_range(fail_each_request(attempt_split, data), 24, 100);
    nn_dataset_free(data);
}

/* ---- For a model ------------------------------------------------------------------------------
 */

static void check_failure(const char *text, const nn_csv_options *options, ag_status status,
                          size_t line, size_t column, const char *message)
{
    nn_error error = {.status = AG_OK};
    assert_null(read_text(text, options, &error));
    check_error(&error, status, line, column, message);
}

static void test_unlabelled(void **state)
{
    (void)state;
    const nn_csv_options options = {.label_column = 7, .unlabelled = true};
    nn_dataset *data = must_read("a,b\n1,2\n3,4\n", &options);
    assert_int_equal(nn_rows(data), 2);
    assert_int_equal(nn_features(data), 2);
    assert_int_equal(nn_classes(data), 0);
    assert_int_equal(nn_targets(data), 0);
    assert_string_equal(nn_feature_name(data, 1), "b");
    assert_same(nn_row_inputs(data, 1)[1], 4);
    assert_null(nn_row_targets(data, 0));
    assert_int_equal(nn_row_class(data, 0), 0);
    assert_null(nn_class_name(data, 0));
    nn_dataset *first, *second;
    assert_int_equal(nn_split(data, 0.5, 1, &first, &second), AG_OK);
    assert_int_equal(nn_rows(first), 1);
    assert_int_equal(nn_targets(second), 0);
    nn_dataset_free(first);
    nn_dataset_free(second);
    nn_dataset_free(data);
    data = must_read("1\n2\n", &options); /* a single column is enough */
    assert_int_equal(nn_rows(data), 2);
    assert_string_equal(nn_feature_name(data, 0), "x0");
    nn_dataset_free(data);
    data = must_read("height\n2\n", &options);
    assert_int_equal(nn_rows(data), 1);
    nn_dataset_free(data);
    check_failure("1,2\n3\n", &options, AG_PARSE, 2, 2, "expected 2 cells");
    check_failure("1,2\n3,yes\n", &options, AG_PARSE, 2, 2, "\"yes\" is not a number");
    check_failure("a,b\n", &options, AG_PARSE, 0, 0, "no rows");
}

static nn_model *make_model(const char *text, const nn_csv_options *options, size_t outputs)
{
    nn_dataset *data = must_read(text, options);
    const size_t sizes[] = {nn_features(data), outputs};
    nn_model *model = nn_mlp(2, sizes, NN_TANH, 1);
    assert_int_equal(nn_fit(model, data, &(nn_fit_options){.epochs = 1}, NULL), AG_OK);
    nn_dataset_free(data);
    return model;
}

static void test_for_model(void **state)
{
    (void)state;
    nn_model *model = make_model("a,b,kind\n1,2,z\n3,4,a\n5,6,m\n", NULL, 3);
    const nn_csv_options options = {.label_column = -1, .model = model};
    /* a subset, in another order, without a header; then all, the label first */
    nn_dataset *data = must_read("3,4,m\n1,2,z\n", &options);
    assert_int_equal(nn_classes(data), 3);
    assert_int_equal(nn_row_class(data, 0), 2);
    assert_int_equal(nn_row_class(data, 1), 0);
    assert_string_equal(nn_class_name(data, 1), "a");
    assert_true(nn_accuracy(model, data) >= 0);
    nn_dataset_free(data);
    data = must_read("k,a,b\na,3,4\nm,1,2\nz,1,2\na,1,2\n", &(nn_csv_options){.model = model});
    const size_t expected[] = {1, 2, 0, 1};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(nn_row_class(data, i), expected[i]);
    nn_dataset_free(data);
    check_failure("1,2,z\n3,4,Z\n", &options, AG_PARSE, 2, 3,
                  "class \"Z\" is none of the model's: z, a, m");
    check_failure("1,2,\n", &options, AG_PARSE, 1, 3, "the class is empty");
    check_failure("1,2\n", &options, AG_PARSE, 1, 2, "2 columns, where the model has 2 features");
    check_failure("1,2,3,z\n", &options, AG_PARSE, 1, 4, "4 columns, where the model has 2");
    check_failure("b,a,kind\n1,2,z\n", &options, AG_PARSE, 1, 1,
                  "feature \"b\", where the model has \"a\"");
    const nn_csv_options first = {.model = model};
    check_failure("kind,a,c\nz,1,2\n", &first, AG_PARSE, 1, 3,
                  "feature \"c\", where the model has \"b\"");
    const nn_csv_options bare = {.model = model, .unlabelled = true};
    data = must_read("a,b\n1,2\n", &bare);
    assert_int_equal(nn_targets(data), 0);
    nn_dataset_free(data);
    check_failure("1,2,z\n", &bare, AG_PARSE, 1, 3, "3 columns, where the model has 2 features");
    const nn_csv_options numbers = {.label_column = -1, .model = model, .regression = true};
    nn_error error;
    assert_null(read_text("1,2,3\n", &numbers, &error));
    assert_int_equal(error.status, AG_INVALID_ARGUMENT);
    assert_contains(error.message, "the model knows classes");
    nn_model_free(model);

    /* a model of numbers makes a regression; an untrained one says how many columns there are */
    model = make_model("1,2,3\n4,5,6\n", &(nn_csv_options){-1, .regression = true}, 1);
    data = must_read("7,8,9\n", &(nn_csv_options){.label_column = -1, .model = model});
    assert_int_equal(nn_classes(data), 0);
    assert_same(nn_row_targets(data, 0)[0], 9);
    nn_dataset_free(data);
    nn_model_free(model);
    const size_t sizes[] = {2, 2};
    model = nn_mlp(2, sizes, NN_TANH, 1);
    const nn_csv_options untrained = {.label_column = -1, .model = model};
    data = must_read("u,v,w\n7,8,z\n7,8,y\n", &untrained);
    assert_int_equal(nn_classes(data), 2);
    nn_dataset_free(data);
    check_failure("1,z\n", &untrained, AG_PARSE, 1, 2, "2 columns, where the model has 2");
    nn_model_free(model);
}

/* Many classes, found by name; and a message that has room for some of them only. */
static void test_many_known_classes(void **state)
{
    (void)state;
    enum {
        CLASSES = 500
    };
    static char text[CLASSES * 20];
    size_t used = 0;
    for (size_t i = 0; i < CLASSES; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "1,c%zu\n", i * 7919 % CLASSES);
    nn_model *model = make_model(text, NULL, CLASSES);
    used = 0;
    for (size_t i = 0; i < CLASSES; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "2,c%zu\n", i);
    const nn_csv_options options = {.label_column = -1, .model = model};
    nn_dataset *data = must_read(text, &options);
    for (size_t i = 0; i < CLASSES; i++)
        assert_string_equal(nn_class_name(data, nn_row_class(data, i)),
                            nn_model_class_name(model, nn_row_class(data, i)));
    for (size_t i = 0; i < CLASSES; i++) {
        char name[20];
        (void)snprintf(name, sizeof(name), "c%zu", i);
        assert_string_equal(nn_class_name(data, nn_row_class(data, i)), name);
    }
    nn_dataset_free(data);
    check_failure("2,b\n", &options, AG_PARSE, 1, 2, "none of the model's: c0, c419, ");
    check_failure("2,d\n", &options, AG_PARSE, 1, 2, ", ...");
    nn_model_free(model);
}

static bool attempt_for_model(void *context)
{
    nn_dataset *data =
        nn_read_csv(path, &(nn_csv_options){.label_column = -1, .model = context}, NULL);
    nn_dataset_free(data);
    return data != NULL;
}

static void test_for_model_out_of_memory(void **state)
{
    (void)state;
    nn_model *model = make_model("a,b,kind\n1,2,z\n3,4,a\n5,6,m\n", NULL, 3);
    assert_in_range(fail_each_request(attempt_for_model, model), 8, 100);
    nn_model_free(model);
}

/* ---- The files that come along ----------------------------------------------------------------
 */

static void test_iris_and_digits(void **state)
{
    (void)state;
    nn_dataset *data = nn_read_csv("demos/data/iris.csv", NULL, NULL);
    assert_int_equal(nn_rows(data), 150);
    assert_int_equal(nn_features(data), 4);
    assert_int_equal(nn_classes(data), 3);
    for (size_t klass = 0; klass < 3; klass++)
        assert_int_equal(count_class(data, klass), 50);
    assert_string_equal(nn_class_name(data, 2), "Iris-virginica");
    nn_dataset *train, *test;
    assert_int_equal(nn_split(data, 0.8, 42, &train, &test), AG_OK);
    for (size_t klass = 0; klass < 3; klass++) {
        assert_int_equal(count_class(train, klass), 40);
        assert_int_equal(count_class(test, klass), 10);
    }
    nn_dataset_free(train);
    nn_dataset_free(test);
    nn_dataset_free(data);
    data = nn_read_csv("demos/data/digits.csv", NULL, NULL);
    assert_int_equal(nn_rows(data), 1797);
    assert_int_equal(nn_features(data), 64);
    assert_int_equal(nn_classes(data), 10);
    for (size_t klass = 0; klass < 10; klass++)
        assert_int_equal(atoi(nn_class_name(data, klass)), klass);
    nn_dataset_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_label_column),
        cmocka_unit_test(test_class_order),
        cmocka_unit_test(test_separator_and_regression),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_many_columns),
        cmocka_unit_test(test_many_classes),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_array_errors),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_order),
        cmocka_unit_test(test_split_numbers),
        cmocka_unit_test(test_split_errors),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_unlabelled),
        cmocka_unit_test(test_for_model),
        cmocka_unit_test(test_many_known_classes),
        cmocka_unit_test(test_for_model_out_of_memory),
        cmocka_unit_test(test_iris_and_digits),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
