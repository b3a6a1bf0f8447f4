/* SPDX-License-Identifier: MIT
 *
 * Names in generated C: which ones a caller's functions can't have, and with what those begin that a
 * file keeps to itself, so that no two things are called the same.
 */
#include "c_code.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Taken ----------------------------------------------------------------------------------- */

/* What C, C++ and GNU's dialects of them have for words of their own. */
static const char words[] =
    " alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t "
    "char32_t class co_await co_return co_yield compl concept const const_cast consteval constexpr "
    "constinit continue decltype default delete do double dynamic_cast else enum explicit export "
    "extern false float for friend goto if inline int long mutable namespace new noexcept not "
    "not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires "
    "restrict return short signed sizeof static static_assert static_cast struct switch template "
    "this thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned "
    "using virtual void volatile wchar_t while xor xor_eq main std linux unix i386 ";

/* math.h's functions, which are there with an f or l behind them, too: C23's, and older
 * ones. */
static const char math[] =
    " acos acosh acospi asin asinh asinpi atan atan2 atan2pi atanh atanpi canonicalize cbrt ceil "
    "compoundn copysign cos cosh cospi dadd ddiv dfma dmul drem dsqrt dsub erf erfc exp exp10 "
    "exp10m1 exp2 exp2m1 expm1 fabs fdim "
    "finite floor fma fmax fmaximum fmaximum_mag fmaximum_mag_num fmaximum_num fmin fminimum "
    "fminimum_mag fminimum_mag_num fminimum_num fmod fmul frexp fromfp fromfpx fsqrt fsub gamma "
    "gamma_r getpayload "
    "hypot ilogb isinf isnan j0 j1 jn ldexp lgamma lgamma_r llogb llrint llround log log10 log10p1 "
    "log1p log2 log2p1 logb logp1 lrint lround modf nan nearbyint nextafter nextdown nexttoward "
    "nextup pow pow10 pown powr remainder remquo rint rootn round roundeven rsqrt scalb scalbln "
    "scalbn setpayload setpayloadsig significand sin sincos sinh sinpi sqrt tan tanh tanpi tgamma "
    "totalorder totalordermag trunc ufromfp ufromfpx y0 y1 yn ";

/* What else math.h, stddef.h, stdint.h and string.h define, and stdlib.h, which C++ has with math.h. */
static const char library[] =
    " HUGE_VAL HUGE_VALF HUGE_VALL INFINITY NAN NULL SNAN SNANF SNANL double_t float_t fpclassify "
    "iscanonical iseqsig isfinite isgreater isgreaterequal isless islessequal islessgreater "
    "isnormal "
    "issignaling issubnormal isunordered iszero math_errhandling signbit signgam "
    "max_align_t nullptr_t offsetof ptrdiff_t size_t unreachable "
    "bcmp bcopy bzero explicit_bzero ffs ffsl ffsll index locale_t memccpy memchr memcmp memcpy "
    "memmem memmove mempcpy memrchr memset memset_explicit rindex stpcpy stpncpy strcasecmp "
    "strcasecmp_l strcasestr strcat strchr strchrnul strcmp strcoll strcoll_l strcpy strcspn "
    "strdup "
    "strerror strerror_l strerror_r strlcat strlcpy strlen strncasecmp strncasecmp_l strncat "
    "strncmp "
    "strncpy strndup strnlen strpbrk strrchr strsep strsignal strspn strstr strtok strtok_r "
    "strxfrm "
    "strxfrm_l "
    "EXIT_FAILURE EXIT_SUCCESS MB_CUR_MAX RAND_MAX abort abs aligned_alloc at_quick_exit atexit "
    "atof "
    "atoi atol atoll bsearch calloc div div_t exit free getenv labs ldiv ldiv_t llabs lldiv "
    "lldiv_t "
    "malloc mblen mbstowcs mbtowc qsort quick_exit rand random realloc srand srandom strtod strtof "
    "strtol strtold strtoll strtoul strtoull system wcstombs wctomb ";

/* What functions of the file call their parameters and numbers, where they call a closure. */
static const char locals[] =
    " batch each i in map next once out r sample scale shared state sum t w x y ";

static bool is_among(const char *list, const char *name, size_t length)
{
    for (const char *at = strchr(list, ' '); at[1] != '\0'; at = strchr(at + 1, ' '))
        if (strncmp(at + 1, name, length) == 0 && at[1 + length] == ' ')
            return true;
    return false;
}

static bool begins_with(const char *name, const char *beginning)
{
    return strncmp(name, beginning, strlen(beginning)) == 0;
}

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), length = strlen(end);
    return n >= length && strcmp(name + n - length, end) == 0;
}

/* stdint.h's, present and future: int8_t, UINT_FAST16_MAX, INT64_C, ...; constants of math.h */
static bool is_in_family(const char *name)
{
    const bool is_type = begins_with(name, "int") || begins_with(name, "uint");
    const bool is_limit = ends_with(name, "_MAX") || ends_with(name, "_MIN") ||
                          ends_with(name, "_WIDTH") || ends_with(name, "_C");
    static const char *const families[] = {"INT",        "UINT",  "PTRDIFF", "SIZE",
                                           "SIG_ATOMIC", "WCHAR", "WINT"};
    for (size_t i = 0; is_limit && i < sizeof(families) / sizeof(*families); i++)
        if (begins_with(name, families[i]))
            return true;
    return (is_type && ends_with(name, "_t")) || begins_with(name, "FP_") ||
           begins_with(name, "MATH_ERR") || begins_with(name, "M_");
}

static bool is_taken(const char *name)
{
    const size_t n = strlen(name);
    const bool has_suffix = name[n - 1] == 'f' || name[n - 1] == 'l';
    return is_among(words, name, n) || is_among(library, name, n) || is_among(math, name, n) ||
           (has_suffix && is_among(math, name, n - 1)) || is_in_family(name);
}

/* ---- Of the file's own ------------------------------------------------------------------------ */

/* Whether a file that keeps names beginning with `base` to itself may have this one: base, "_", and a
 * word that no letter follows. */
static bool is_kept(const char *name, const char *base)
{
    static const char *const parts[] = {"once", "check", "body", "numbers", "list", "step"};
    const size_t of_parts = sizeof(parts) / sizeof(*parts);
    const size_t n = strlen(base), all = of_parts + AGI_GATE_COUNT + agi_c_library_count;
    if (strncmp(name, base, n) != 0 || name[n] != '_')
        return false;
    for (size_t i = 0; i < all; i++) {
        const char *part = i < of_parts ? parts[i]
                           : i < of_parts + AGI_GATE_COUNT
                               ? agi_gate_names[i - of_parts]
                               : agi_c_library_functions[i - of_parts - AGI_GATE_COUNT].name;
        if (begins_with(name + n + 1, part) && !islower((unsigned char)name[n + 1 + strlen(part)]))
            return true;
    }
    return false;
}

/* Such a base is a name that has no number behind it yet, so that two functions don't get the same. */
void agi_choose_c_base(char base[AGI_C_BASE], size_t count, const ag_c_function *functions,
                       const ag_c_function *of)
{
    bool is_free = false;
    for (size_t number = 0; !is_free; number++) {
        (void)snprintf(base, AGI_C_BASE, number == 0 ? "%s" : "%s_%zu", of->name, number);
        is_free = true;
        for (size_t i = 0; is_free && i < count; i++)
            is_free = !is_kept(functions[i].name, base) &&
                      (&functions[i] == of || strcmp(functions[i].name, base) != 0);
    }
}

/* ---- Refusals -------------------------------------------------------------------------------- */

ag_status agi_refuse_c(ag_error_details *error, const char *format, ...)
{
    char message[sizeof(error->message)];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    agi_set_details(error, AG_INVALID_ARGUMENT, "ag_emit_c: %s", message);
    return AG_INVALID_ARGUMENT;
}

/* Names that begin with an underscore are the compiler's and its library's. */
static bool is_identifier(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return name != NULL && name[0] != '\0' && strchr(letters, name[0]) != NULL &&
           name[strspn(name, more)] == '\0';
}

static bool is_in_capitals(const char *capitals, const char *name, const char *end)
{
    const size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (capitals[i] != (char)toupper((unsigned char)name[i]))
            return false;
    return strcmp(capitals + n, end) == 0;
}

static bool differ_in_capitals(const char *a, const char *b)
{
    while (*a != '\0' && toupper((unsigned char)*a) == toupper((unsigned char)*b))
        a++, b++;
    return *a == *b;
}

/* Whether that is the name of something the header defines for a function, beside the function. */
static bool is_of_function(const char *name, const ag_c_function *function)
{
    const size_t n = strlen(function->name);
    return (function->shared != NULL && strncmp(name, function->name, n) == 0 &&
            strcmp(name + n, "_shared") == 0) ||
           is_in_capitals(name, function->name, "_WORKSPACE") ||
           is_in_capitals(name, function->name, "_H");
}

static ag_status check_name(const char *name, ag_error_details *error)
{
    if (!is_identifier(name) || strlen(name) >= AGI_C_NAME)
        return agi_refuse_c(error,
                            "\"%.40s\" is no name for a function of C (a letter, then letters, "
                            "digits, _; less than %d)",
                            name == NULL ? "" : name, (int)AGI_C_NAME);
    if (is_taken(name))
        return agi_refuse_c(error, "\"%s\" is no name for a function: C, C++ or a header has it",
                            name);
    return AG_OK;
}

ag_status agi_check_c_names(size_t count, const ag_c_function *functions, ag_error_details *error)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = functions[i].name;
        const ag_status status = check_name(name, error);
        if (status != AG_OK)
            return status;
        for (size_t k = 0; k < i; k++) {
            const char *other = functions[k].name;
            if (strcmp(other, name) == 0)
                return agi_refuse_c(error, "two functions are called %s", name);
            if (differ_in_capitals(other, name))
                return agi_refuse_c(error, "%s and %s differ in capitals alone", other, name);
            if (is_of_function(name, &functions[k]))
                return agi_refuse_c(error, "%s is a function, and what the header defines for %s",
                                    name, other);
            if (is_of_function(other, &functions[i]))
                return agi_refuse_c(error, "%s is a function, and what the header defines for %s",
                                    other, name);
        }
    }
    return AG_OK;
}

ag_status agi_check_c_closure(const agi_c_file *file, const ag_closure *closure,
                              ag_error_details *error)
{
    const char *name = closure->c_function;
    if (name == NULL || *name == '\0')
        return agi_refuse_c(error, "the closure %.60s has no c_function", closure->name);
    const ag_status status = check_name(name, error);
    if (status != AG_OK)
        return status;
    bool is_free = !is_among(locals, name, strlen(name)) &&
                   !(name[0] == 'v' && name[1 + strspn(name + 1, "0123456789")] == '\0');
    const char *other = "the file itself";
    for (uint32_t i = 0; is_free && i < file->units_count; i++) {
        const agi_c_unit *unit = file->units[i];
        if (unit->function == NULL)
            continue;
        other = unit->function->name;
        is_free = strcmp(name, other) != 0 && !is_of_function(name, unit->function) &&
                  !is_kept(name, unit->name);
    }
    return is_free ? AG_OK
                   : agi_refuse_c(error, "the closure %.60s has the c_function %s, a name of %s's",
                                  closure->name, name, other);
}
