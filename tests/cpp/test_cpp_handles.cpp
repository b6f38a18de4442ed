// genseg.hpp: ownership, errors, options and arrays.
#include "cases.hpp"

#include <type_traits>
#include <utility>

using genseg::const_array;
using genseg::Context;
using genseg::Dataset;

static_assert(!std::is_copy_constructible<Dataset>::value && !std::is_copy_assignable<Dataset>::value, "no copies");
static_assert(std::is_nothrow_move_constructible<Dataset>::value && std::is_nothrow_move_assignable<Dataset>::value,
              "moves can't fail");
static_assert(!std::is_convertible<Dataset, bool>::value, "not by accident");
static_assert(std::is_base_of<std::runtime_error, genseg::io_error>::value, "caught as any other");

CASE(handles_move)
{
    Context context(cases::one_thread());
    Dataset a = cases::phantom(context, 2, 32), b;
    genseg_dataset *raw = a.get();
    CHECK(a && !b);
    b = std::move(a);
    CHECK(b.get() == raw && !a && a.size() == 0);
    Dataset c(std::move(b));
    CHECK(c.get() == raw && !b);
    a = cases::phantom(context, 3, 32);
    a.swap(c);
    CHECK(a.get() == raw && a.size() == 2 && c.size() == 3);
    std::swap(a, c);
    CHECK(c.get() == raw);
    Dataset &self = c;
    c = std::move(self);
    CHECK(c.get() == raw);
    c = Dataset();
    CHECK(!c);
}

CASE(handles_are_released_and_adopted)
{
    Context context(cases::one_thread());
    genseg_dataset *raw = cases::phantom(context, 2, 32).release();
    CHECK(genseg_dataset_size(raw) == 2);
    Dataset adopted(raw);
    CHECK(adopted.get() == raw && adopted.release() == raw && !adopted);
    genseg_dataset_free(raw);
    Context other(context.release());
    CHECK(other.threads() == 1 && !context);
    Context none(nullptr);
    CHECK(!none && none.threads() == 0);
}

CASE(handles_go_in_any_order)
{
    genseg::Segmenter segmenter;
    {
        Context context(cases::one_thread());
        Dataset data = cases::phantom(context, 3, 32);
        data.split(2, 1, 1);
        genseg::Trainer trainer(context, data, cases::tiny("plain"));
        data = Dataset();
        context = Context(nullptr);
        trainer.run();
        segmenter = trainer.segmenter();
    }
    std::vector<float> image(32 * 32, 0.5f);
    std::vector<uint8_t> label(32 * 32, 7);
    segmenter.predict({image.data(), {32, 32}}, {label.data(), {32, 32}});
    CHECK(label[0] != 7);
}

CASE(each_status_has_a_class)
{
    genseg_error err = genseg_error();
    std::snprintf(err.message, sizeof err.message, "case_07.nii.gz: dim[1] is 0");
    genseg::check(GENSEG_OK, err);
    CHECK_THROWS(genseg::out_of_memory, genseg::check(GENSEG_ERROR_NOMEM, err));
    CHECK_THROWS(genseg::invalid_argument, genseg::check(GENSEG_ERROR_INVALID, err));
    CHECK_THROWS(genseg::state_error, genseg::check(GENSEG_ERROR_STATE, err));
    CHECK_THROWS(genseg::io_error, genseg::check(GENSEG_ERROR_IO, err));
    CHECK_THROWS(genseg::format_error, genseg::check(GENSEG_ERROR_FORMAT, err));
    CHECK_THROWS(genseg::unsupported, genseg::check(GENSEG_ERROR_UNSUPPORTED, err));
    CHECK_THROWS(genseg::shape_error, genseg::check(GENSEG_ERROR_SHAPE, err));
    CHECK_THROWS(genseg::numeric_error, genseg::check(GENSEG_ERROR_NUMERIC, err));
    CHECK_THROWS(genseg::cancelled, genseg::check(GENSEG_ERROR_CANCELLED, err));
    CHECK_THROWS(genseg::callback_error, genseg::check(GENSEG_ERROR_CALLBACK, err));
    CHECK_THROWS(genseg::backend_error, genseg::check(GENSEG_ERROR_BACKEND, err));
    CHECK_THROWS(genseg::communicator_error, genseg::check(GENSEG_ERROR_COMM, err));
    CHECK_THROWS(genseg::version_error, genseg::check(GENSEG_ERROR_VERSION, err));
    CHECK_THROWS(genseg::forked_error, genseg::check(GENSEG_ERROR_FORKED, err));
    CHECK_THROWS(genseg::internal_error, genseg::check(GENSEG_ERROR_INTERNAL, err));
    for (genseg_status status = -1; status > -20; --status) { // later versions have more
        try {
            genseg::check(status, err);
            CHECK(!"an error passed");
        } catch (const genseg::error &thrown) {
            CHECK(thrown.status() == status && thrown.message() == err.message && thrown.what() == thrown.message());
        }
    }
    CHECK(genseg::status_name(GENSEG_ERROR_FORMAT) == "FORMAT");
}

CASE(errors_come_from_calls)
{
    Context context(cases::one_thread());
    try {
        Dataset::open(context, "/nonexistent/data");
        CHECK(!"opened");
    } catch (const std::exception &thrown) { // one base, so that this catches all
        CHECK(std::string(thrown.what()).find("/nonexistent/data") != std::string::npos);
    }
    CHECK_THROWS(genseg::io_error, genseg::Segmenter::load(context, "/nonexistent/model"));
    CHECK_THROWS(genseg::io_error, genseg::Generator::load(context, "/nonexistent/model"));
    CHECK_THROWS(genseg::invalid_argument, Dataset().split(1, 1, 1));
    CHECK_THROWS(genseg::invalid_argument, genseg::Trainer().run());
    CHECK_THROWS(genseg::invalid_argument, Dataset(Context(nullptr)));
    Dataset data = cases::phantom(context, 2, 32);
    CHECK_THROWS(genseg::state_error, genseg::Trainer(context, data)); // no training case
    CHECK_THROWS(genseg::invalid_argument, data.split(3, 1, 1));
    CHECK_THROWS(genseg::invalid_argument, data.case_info(2));
    genseg::trainer_options wrong;
    wrong.optimizer = "adagrad";
    data.split(1, 1, 1);
    CHECK_THROWS(genseg::invalid_argument, genseg::Trainer(context, data, wrong));
    genseg::context_options half;
    half.alloc = [](size_t, size_t, void *) -> void * { return nullptr; };
    CHECK_THROWS(genseg::invalid_argument, Context{half});
    genseg::Trainer none;
    none.cancel();
    CHECK(none.steps() == 0 && none.memory() == 0 && none.levers().empty());
}

CASE(options_begin_with_the_defaults)
{
    genseg_trainer_options plain;
    CHECK(genseg_trainer_options_init(&plain, sizeof plain) == GENSEG_OK);
    genseg::trainer_options options;
    CHECK(options.struct_size == sizeof plain && options.batch == plain.batch && options.l1 == plain.l1);
    CHECK(std::string(options.method) == plain.method);
    CHECK(genseg::context_options().seed == 1 && genseg::predict_options().overlap == 0.5);
    CHECK(genseg::metrics_options().classes == 2 && genseg::phantom_options().count == 24);
    CHECK(genseg::dataset_options().affine_tolerance == 0.1 && genseg::synthesize_options().magnitude == 1.0);
    static_assert(sizeof(genseg::trainer_options) == sizeof(genseg_trainer_options), "nothing is added");
}

CASE(types_have_dtypes)
{
    CHECK(genseg::dtype_of<uint8_t>() == GENSEG_DTYPE_UINT8 && genseg::dtype_of<int8_t>() == GENSEG_DTYPE_INT8);
    CHECK(genseg::dtype_of<uint16_t>() == GENSEG_DTYPE_UINT16 && genseg::dtype_of<int16_t>() == GENSEG_DTYPE_INT16);
    CHECK(genseg::dtype_of<uint32_t>() == GENSEG_DTYPE_UINT32 && genseg::dtype_of<int32_t>() == GENSEG_DTYPE_INT32);
    CHECK(genseg::dtype_of<uint64_t>() == GENSEG_DTYPE_UINT64 && genseg::dtype_of<int64_t>() == GENSEG_DTYPE_INT64);
    CHECK(genseg::dtype_of<long long>() == GENSEG_DTYPE_INT64); // another type than int64_t
    CHECK(genseg::dtype_of<float>() == GENSEG_DTYPE_FLOAT32 && genseg::dtype_of<double>() == GENSEG_DTYPE_FLOAT64);
    CHECK(genseg::dtype_size(genseg::dtype_of<double>()) == sizeof(double));
}

CASE(arrays_are_views)
{
    const int16_t voxels[2 * 3 * 4] = {1};
    const_array dense(voxels, {2, 3, 4});
    CHECK(dense.get()->data == voxels && dense.get()->ndim == 3 && dense.get()->dtype == GENSEG_DTYPE_INT16);
    CHECK(dense.get()->shape[0] == 2 && dense.get()->shape[2] == 4);
    CHECK(dense.get()->strides[0] == 24 && dense.get()->strides[1] == 8 && dense.get()->strides[2] == 2);
    const_array turned(voxels, {4, 3, 2}, {2, 8, 24});
    CHECK(turned.get()->strides[0] == 2 && turned.get()->strides[2] == 24);
    CHECK(const_array().get() == nullptr && genseg::array().get() == nullptr);
    CHECK_THROWS(genseg::invalid_argument, const_array(voxels, std::vector<int64_t>()));
    CHECK_THROWS(genseg::invalid_argument, const_array(voxels, {1, 1, 1, 1, 1, 1}));
    CHECK_THROWS(genseg::invalid_argument, const_array(voxels, {2, 3}, {4}));
    static_assert(!std::is_convertible<const_array, genseg::array>::value, "what is read isn't written to");
}

CASE(strided_cases_are_read_as_they_lie)
{
    enum { H = 24, W = 16 };
    Context context(cases::one_thread());
    Dataset data(context);
    std::vector<double> columns(H * W); // Fortran's order, rows backwards
    std::vector<int32_t> label(H * W);
    for (int y = 0; y < H; ++y) {
        for (int x = 0; x < W; ++x) {
            columns[static_cast<std::size_t>(x * H + (H - 1 - y))] = 100.0 * y + x;
            label[static_cast<std::size_t>(y * W + x)] = y > 8 ? 5 : -2;
        }
    }
    const double affine[16] = {0.5, 0, 0, 10, 0, 0.25, 0, 20, 0, 0, 1, 30, 0, 0, 0, 1};
    const int64_t step = sizeof(double);
    data.add("slice", const_array(columns.data() + H - 1, {H, W}, {-step, H * step}), {label.data(), {H, W}}, affine, 0,
             "patient 1");
    const genseg::case_info info = data.case_info(0);
    CHECK(info.shape[0] == 1 && info.shape[1] == 1 && info.shape[2] == H && info.shape[3] == W && info.labelled);
    CHECK(info.affine[0] == 0.5 && info.affine[7] == 20 && info.spacing[1] == 0.25 && info.spacing[2] == 0.5);
    const std::vector<float> image = data.case_image(0);
    const std::vector<int32_t> classes = data.case_label(0);
    for (int y = 0; y < H; ++y)
        for (int x = 0; x < W; ++x)
            CHECK(image[static_cast<std::size_t>(y * W + x)] == static_cast<float>(100 * y + x) &&
                  classes[static_cast<std::size_t>(y * W + x)] == (y > 8));
    CHECK(data.size() == 1 && data.ndim() == 2 && data.channels() == 1 && data.classes() == 2);
    CHECK(data.label_value(0) == -2 && data.label_value(1) == 5 && data.label_name(1) == "5");
    CHECK(data.case_name(0) == "slice" && data.case_group(0) == "patient 1" && data.case_path(0).empty());
    CHECK(data.case_name(1).empty() && data.case_split(0) == GENSEG_SPLIT_NONE);
    CHECK_THROWS(genseg::shape_error, data.add("other", {label.data(), {W, H}}, {label.data(), {H, W}}));
    CHECK_THROWS(genseg::format_error, data.add("other", {label.data(), {H, W}}, {columns.data(), {H, W}}));
    data.add("unlabelled", const_array(label.data(), {H, W}));
    CHECK(data.size() == 2 && !data.case_info(1).labelled);
}

CASE(datasets_are_saved_and_opened)
{
    Context context(cases::one_thread());
    const cases::scratch_file file(".h5"), picture(".png");
    const Dataset data = cases::phantom(context, 3, 32);
    data.save_hdf5(file.path);
    const Dataset again = Dataset::open(context, file.path);
    CHECK(again.size() == 3 && again.case_image(1) == data.case_image(1) && again.case_label(2) == data.case_label(2));
    CHECK(again.case_path(0) == file.path);
    data.save_picture(0, picture.path);
    CHECK(access(picture.path.c_str(), R_OK) == 0);

    // One case as files: its image and a label map in its grid.
    const cases::scratch_file image(".nii"), label(".nii.gz");
    genseg::dataset_options unlabelled;
    unlabelled.allow_unlabelled = 1;
    data.save_image(1, image.path);
    CHECK(Dataset::open(context, image.path, unlabelled).case_image(0) == data.case_image(1));
    const std::vector<int32_t> classes = data.case_label(1);
    data.save_label(1, {classes.data(), {32, 32}}, label.path);
    const std::vector<float> voxels = Dataset::open(context, label.path, unlabelled).case_image(0);
    CHECK(std::vector<int32_t>(voxels.begin(), voxels.end()) == classes);
    CHECK_THROWS(genseg::shape_error, data.save_label(1, {classes.data(), {16, 64}}, label.path));
}

CASE(metrics_are_scored)
{
    Context context(cases::one_thread());
    const std::vector<uint8_t> reference = {0, 1, 1, 0}, prediction = {0, 1, 0, 0};
    genseg::metrics_options options;
    options.classes = 3;
    options.convention = genseg::metrics_convention("medpy");
    const std::vector<genseg_metrics> scores = genseg::evaluate_metrics(
        context, {reference.data(), {2, 2}}, {prediction.data(), {2, 2}}, options);
    CHECK(scores.size() == 3 && scores[1].dice > 0.666 && scores[1].dice < 0.667);
    CHECK(genseg::metrics_state_name(scores[2].state) == "both empty");
    CHECK(genseg::metrics_convention_name(options.convention) == "medpy");
    CHECK_THROWS(genseg::shape_error, genseg::evaluate_metrics(context, {reference.data(), {2, 2}},
                                                               {prediction.data(), {1, 4}}));
}

CASE(the_library_tells_its_version)
{
    CHECK(genseg::version() == GENSEG_VERSION_STRING && !genseg::abi_version().empty());
    CHECK(genseg::build_info().find("oneDNN") != std::string::npos);
}

int main()
{
    return cases::run_all();
}
